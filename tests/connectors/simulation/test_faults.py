"""What goes wrong: how it is written, what is refused, and that chance repeats."""

from dataclasses import replace

import pytest

from connectors.simulation.faults import Fault, FaultError, FaultKind, Faults, parse_fault
from connectors.simulation.instants import instant_us
from hub.model import STATION
from tests.streams.small_park import BAKERY, frame, small_hub

NOON_US = instant_us("2026-06-21T12:00Z")
SECOND_US = 1_000_000

WRITTEN = {
    "meter-dead:north/a@2026-06-21T12:00Z/30s": Fault(FaultKind.METER_DEAD, "north/a", NOON_US, NOON_US + 30 * SECOND_US),
    "gateway-silent:@station@2026-06-21T14:00+02:00/5min": Fault(FaultKind.GATEWAY_SILENT, STATION, NOON_US, NOON_US + 300 * SECOND_US),
    "device-ignores:battery@2026-06-21T12:00Z/1h": Fault(FaultKind.DEVICE_IGNORES, "battery", NOON_US, NOON_US + 3600 * SECOND_US),
    "worker-gap@2026-06-21T12:00:00Z/20s": Fault(FaultKind.WORKER_GAP, "", NOON_US, NOON_US + 20 * SECOND_US),
}  # fmt: skip

REFUSED = {
    "meter-ded:battery@2026-06-21T12:00Z/30s": "there is no 'meter-ded'; did you mean 'meter-dead'?",
    "meter-dead:batery@2026-06-21T12:00Z/30s": "there is no 'batery'; did you mean 'battery'?",
    "device-late:north/a@2026-06-21T12:00Z/30s": "there is no 'north/a'",
    "worker-gap:battery@2026-06-21T12:00Z/30s": "there is no 'battery'",
    "worker-gap@2026-06-21T12:00/30s": "wants a time with its zone and a duration in s, min or h",
    "worker-gap@2026-06-21T12:00Z/30": "wants a time with its zone",
    "worker-gap": "there is no ''",
}


@pytest.mark.parametrize(("text", "fault"), WRITTEN.items(), ids=WRITTEN)
def test_a_fault_is_read_as_it_is_written(text, fault):
    assert parse_fault(text, small_hub()) == fault


@pytest.mark.parametrize(("text", "said"), REFUSED.items(), ids=REFUSED)
def test_a_fault_that_means_nothing_is_refused_with_what_to_write(text, said):
    with pytest.raises(FaultError) as refused:
        parse_fault(text, small_hub())
    assert said in str(refused.value)


def test_a_fault_holds_until_just_before_its_end():
    faults = Faults(faults=(Fault(FaultKind.WORKER_GAP, "", 10, 20),))
    assert [faults.worker_away(at_us) for at_us in (9, 10, 19, 20)] == [False, True, True, False]


def test_the_same_seed_loses_and_delays_the_same_frames_about_as_many_as_asked():
    faults = Faults(loss_ratio=0.1, delay_us=200_000, seed=3)
    names = ["north", "south"]
    arrivals = [faults.arrivals_us(names, at_us) for at_us in range(0, 1000 * SECOND_US, SECOND_US)]
    assert arrivals == [faults.arrivals_us(names, at_us) for at_us in range(0, 1000 * SECOND_US, SECOND_US)]
    assert arrivals != [
        replace(faults, seed=4).arrivals_us(names, at_us) for at_us in range(0, 1000 * SECOND_US, SECOND_US)
    ]
    delays = [a - at * SECOND_US for at, both in enumerate(arrivals) for a in both if a is not None]
    assert 0.08 < 1 - len(delays) / 2000 < 0.12
    assert 100_000 <= min(delays) < max(delays) <= 300_000


def test_a_silent_gateway_sends_nothing_and_a_dead_meter_is_missing_from_the_frame():
    faults = Faults(faults=(Fault(FaultKind.GATEWAY_SILENT, "north", 0, 5), Fault(FaultKind.METER_DEAD, BAKERY, 0, 5)))
    assert faults.arrivals_us(["north", "south"], 1) == [None, 1]
    whole = frame(1, {"south/b": 5.0, BAKERY: 5.0}, {"south/b": 1, BAKERY: 2})
    masked = faults.masked(whole, 1)
    assert (masked.ids, masked.power_kw, masked.energy_import_wh) == (["south/b"], [5.0], [1])
    assert faults.masked(whole, 5) is whole
