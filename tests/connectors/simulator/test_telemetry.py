from connectors.simulator.telemetry import frame_of, gateways
from hub.model import STATION
from hub.tree import build_tree
from streams.codec import decode_telemetry, encode
from tests.connectors.simulator.park_words import FREE, by_kind, later


def frames(hub, park, state):
    return {
        gateway.grid_loop: frame_of(gateway, park, state, sequence=7, sent_at_us=state.at_us)
        for gateway in gateways(hub, park)
    }


def test_each_gateway_reads_the_meters_that_the_tree_expects_of_it(park, de_koumen):
    read = {grid_loop: set(frame.ids) for grid_loop, frame in frames(de_koumen, park, park.start()).items()}
    assert read == {key: set(meters) for key, meters in build_tree(de_koumen).meters.items()}
    assert read[STATION] == {"park", "group"}


def test_columns_are_equal_and_survive_the_wire(park, de_koumen):
    state = later(park, park.start(), by_kind(park, **FREE), seconds=5)
    for frame in frames(de_koumen, park, state).values():
        rows = len(frame.ids)
        columns = (frame.measured_at_us, frame.power_kw, frame.energy_import_wh, frame.energy_export_wh)
        assert all(
            len(column) == rows for column in (*columns, frame.min_kw, frame.max_kw, frame.soc_ratio, frame.quality)
        )
        assert decode_telemetry(encode(frame)) == frame


def test_devices_say_their_range_and_batteries_their_charge_and_meters_neither(park, de_koumen):
    frame = frames(de_koumen, park, park.start())["lus-3"]
    row = dict(zip(frame.ids, zip(frame.min_kw, frame.max_kw, frame.soc_ratio, strict=True), strict=True))
    assert row["lus-3/a"] == (None, None, None)
    assert row["bat-3"][2] is not None
    assert row["charger-17"][0] == 0
    assert row["charger-17"][2] is None


def test_a_second_later_the_registers_have_grown_by_the_power(park, de_koumen):
    state = later(park, park.start(), by_kind(park, **FREE), seconds=3600 // 60)
    frame = frames(de_koumen, park, state)["lus-1"]
    at = frame.ids.index("lus-1/a")
    assert frame.measured_at_us[at] == state.at_us
    assert frame.energy_import_wh[at] + frame.energy_export_wh[at] > 0
