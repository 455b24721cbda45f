import numpy as np
import pytest

from connectors.simulator import memory
from connectors.simulator.ledger import Ledger, read_page, write_page
from hub.model import AssetKind
from hub.quarters import QUARTER_US
from tests.connectors.simulator.park_words import FREE, SECOND_US, by_kind, node_kw, of_kind


def run(park, obeyed_kw, steps_s):
    state = park.start()
    ledger = Ledger("de-koumen", park, state)
    states = [state]
    for step_s in steps_s:
        state = park.step(state, obeyed_kw, at_us=state.at_us + step_s * SECOND_US)
        ledger.take(state)
        states.append(state)
    return ledger.page(), states


@pytest.fixture(scope="module")
def hour(park):
    return run(park, by_kind(park, battery=10, pv=-10, charger=1e6), [1] * 3_601)


def test_quarters_add_up_to_the_registers_of_every_node(park, hour):
    page, states = hour
    for at, node in enumerate(park.network.node_ids):
        quarters = page.nodes[node].quarters
        assert sum(quarter.import_wh for quarter in quarters) == states[-1].registers.import_wh[at]
        assert sum(quarter.export_wh for quarter in quarters) == states[-1].registers.export_wh[at]
    assert [quarter.whole for quarter in page.nodes["park"].quarters] == [True] * 4 + [False]
    assert {quarter.start_us % QUARTER_US for quarter in page.nodes["park"].quarters} == {0}


def test_a_boundary_between_two_readings_is_interpolated(park):
    page, _ = run(park, by_kind(park, **FREE), [890, 20, 90])
    first, second = page.nodes["park"].quarters
    assert (first.whole, second.whole) == (True, False)
    assert first.import_wh + first.export_wh > 0


def test_peaks_charged_and_curtailed_are_what_flowed(park, hour):
    page, states = hour
    powers_kw = [node_kw(park, state, "park") for state in states[1:]]
    assert page.nodes["park"].peak_import_kw == max(*powers_kw, 0)
    assert page.nodes["park"].peak_export_kw == max(*(-power_kw for power_kw in powers_kw), 0)
    charging_w = sum(
        np.maximum(of_kind(park, kind, state.asset_w), 0).sum()
        for kind in (AssetKind.BATTERY, AssetKind.CHARGER)
        for state in states[1:]
    )
    assert page.charged_wh == pytest.approx(charging_w / 3600, abs=len(park.assets))
    assert page.curtailed_wh == pytest.approx(sum(state.curtailed_w.sum() for state in states[1:]) / 3600, abs=1)
    assert page.imported_wh == states[-1].registers.import_wh[0]


def test_the_page_is_written_and_read_back(tmp_path, hour):
    write_page(tmp_path / "new" / "ledger.json", hour[0])
    assert read_page(tmp_path / "new" / "ledger.json") == hour[0]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["ledger.json"]


def test_meters_keep_their_registers_over_a_restart(tmp_path, park, hour):
    file, last = tmp_path / "registers.json", hour[1][-1]
    assert memory.remembered(file, park, park.start()).registers.import_wh.sum() == 0
    memory.keep(file, park, last)
    again = memory.remembered(file, park, park.start())
    assert again.registers.import_wh.tolist() == last.registers.import_wh.tolist()
    assert again.registers.export_wh.tolist() == last.registers.export_wh.tolist()
