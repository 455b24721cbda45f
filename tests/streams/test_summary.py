"""The summary against accounts it has no part in: the simulated park's own ledger, and tables counted by hand."""

import pytest

from connectors.simulator.building import build_park
from connectors.simulator.ledger import Ledger
from connectors.simulator.scenarios import SCENARIOS
from connectors.simulator.telemetry import frame_of, gateways
from hub.profiles import read_profiles
from hub.quarters import QUARTER_US
from streams.messages import Epoch, LoopState, NodeStates, SetpointFrame, SetpointResult, TelemetryFrame, Violation
from streams.summary import SummaryFold
from tests.connectors.simulator.park_words import DE_KOUMEN, by_kind

SECOND_US = 1_000_000
BEGAN_US = 2_000_000 * QUARTER_US - 60 * SECOND_US
EPOCH = Epoch(1, 1, 0)


@pytest.fixture(scope="module")
def accounts(de_koumen):
    """Twenty minutes of changing setpoints over two quarter boundaries: the summary, and the park's own ledger."""
    profiles = read_profiles(DE_KOUMEN, de_koumen)
    park = build_park(de_koumen, profiles, scenario=SCENARIOS["cloudy"], began_us=BEGAN_US)
    obeyed_kw = [by_kind(park, battery=60, pv=-30, charger=1e6), by_kind(park, battery=-40, pv=-1e6, charger=0)]
    state, fold = park.start(), SummaryFold(de_koumen)
    ledger = Ledger(de_koumen.id, park, state)
    every = gateways(de_koumen, park)
    for step in range(1_201):
        if step:
            state = park.step(state, obeyed_kw[step // 97 % 2], at_us=state.at_us + SECOND_US)
            ledger.take(state)
        for gateway in every:
            frame = frame_of(gateway, park, state, sequence=step, sent_at_us=state.at_us)
            ledger.readings_produced += len(frame.ids)
            fold.take_telemetry(gateway.grid_loop, frame, received_at_us=state.at_us + 20_000)
    return fold.summary(), ledger.page()


def test_energies_and_readings_are_those_of_the_park_s_own_ledger(accounts):
    summary, ledger = accounts
    assert (summary.began_us, summary.until_us) == (ledger.began_us, ledger.until_us)
    assert summary.readings == ledger.readings_produced
    assert round(summary.imported_kwh * 1000) == ledger.imported_wh > 0
    assert round(summary.exported_kwh * 1000) == ledger.exported_wh > 0
    assert round(summary.charged_kwh * 1000) == ledger.charged_wh > 0
    assert summary.curtailed_kwh == pytest.approx(ledger.curtailed_wh / 1000, abs=0.01)
    assert summary.curtailed_kwh > 1


def test_the_highest_quarter_of_each_metered_node_is_that_of_the_ledger(accounts, de_koumen):
    summary, ledger = accounts
    metered = {"park", "group", *(connection.ean for connection in de_koumen.connections)}
    for figures in (figures for figures in summary.limits if figures.node in metered):
        quarters = [quarter for quarter in ledger.nodes[figures.node].quarters if quarter.whole]
        whole_kw = [(q.import_wh if figures.direction == "import" else q.export_wh) / 250 for q in quarters]
        assert figures.quarters_seen == 3
        assert figures.quarter_kw >= max(whole_kw)
        if figures.quarter_start_us == BEGAN_US + 60 * SECOND_US:
            assert figures.quarter_kw == whole_kw[0]


def test_the_highest_reading_of_each_node_is_the_peak_of_the_ledger(accounts):
    summary, ledger = accounts
    for figures in (figures for figures in summary.limits if figures.node in ledger.nodes):
        entry = ledger.nodes[figures.node]
        peak_kw = entry.peak_import_kw if figures.direction == "import" else entry.peak_export_kw
        assert figures.instant_kw >= abs(peak_kw)


def setpoints(grid_loop, tick, *, ids=(), folded_until_us=0):
    return SetpointFrame(
        grid_loop=grid_loop,
        epoch=EPOCH,
        sequence=tick,
        tick=tick,
        issued_at_us=0,
        valid_for_ms=10_000,
        folded_until_us=folded_until_us,
        full=bool(ids),
        ids=list(ids),
    )


@pytest.mark.parametrize(
    ("ticks", "balanced", "missed"),
    [
        pytest.param({"lus-1": [5, 6, 7], "lus-2": [5, 6, 7]}, 3, 0, id="all balanced"),
        pytest.param({"lus-1": [5, 7, 8], "lus-2": [5, 6, 7, 8]}, 3, 1, id="one loop skipped one"),
        pytest.param({"lus-1": [5, 8], "lus-2": [5, 6, 8]}, 2, 2, id="a tick missed by both is one tick"),
        pytest.param({"lus-1": [5, 6, 7, 8], "lus-2": [7, 8]}, 4, 0, id="a loop that began later"),
        pytest.param({"lus-1": [5, 6, 7, 8], "lus-2": [5, 6]}, 3, 1, id="a loop that fell silent"),
        pytest.param({"lus-1": [5, 6, 7], "lus-2": [5, 6]}, 3, 0, id="cut off within the last tick"),
        pytest.param({"lus-1": [5, 6, 6, 5, 7], "lus-2": [5, 6, 7]}, 3, 0, id="a second writer counts nothing"),
        pytest.param({}, 0, 0, id="nothing balanced"),
    ],
)
def test_a_tick_counts_when_every_loop_that_had_begun_was_balanced(de_koumen, ticks, balanced, missed):
    fold = SummaryFold(de_koumen)
    for grid_loop, numbers in ticks.items():
        for tick in numbers:
            fold.take_setpoints(setpoints(grid_loop, tick), appended_us=None)
    summary = fold.summary()
    assert (summary.ticks, summary.missed_ticks) == (balanced, missed)


def test_latencies_run_from_tick_and_reading_to_the_broker_s_stamp(de_koumen):
    fold = SummaryFold(de_koumen)
    frame = setpoints("lus-1", 1_000, ids=["pv-01"], folded_until_us=999_900_000)
    fold.take_setpoints(frame, appended_us=1_000_130_000)
    summary = fold.summary()
    assert (summary.tick_latency.p50_ms, summary.setpoint_latency.p50_ms) == (130, 230)
    assert (summary.setpoints, summary.setpoint_frames) == (1, 1)


def test_without_a_broker_there_are_no_latencies(de_koumen):
    fold = SummaryFold(de_koumen)
    fold.take_setpoints(setpoints("lus-1", 1_000, folded_until_us=1), appended_us=None)
    assert fold.summary().tick_latency.p50_ms is None


def test_answers_of_dispatch_count_by_outcome_and_asset(de_koumen):
    fold = SummaryFold(de_koumen)
    for outcome, ids in (("accepted", []), ("accepted", []), ("reverted", ["pv-01", "pv-02"])):
        fold.take_result(SetpointResult(grid_loop="lus-1", epoch=EPOCH, sequence=1, at_us=0, outcome=outcome, ids=ids))
    assert fold.summary().results == {"accepted": 2, "reverted": 2}


def test_what_a_tick_could_not_do_is_counted(de_koumen):
    no_nodes = NodeStates(**{name: [] for name in NodeStates.__struct_fields__})
    fold = SummaryFold(de_koumen)
    violation = Violation(node="park", direction="export", kw=3.0, layer="dso_cap")
    for mode, violations in (("closed", []), ("fallback", [violation])):
        fold.take_state(
            LoopState(
                grid_loop="lus-1",
                tick=1,
                at_us=0,
                epoch=EPOCH,
                nodes=no_nodes,
                missed_ticks=0,
                folded_until_us=0,
                violations=violations,
                mode=mode,
            )
        )
    assert (fold.summary().fallback_ticks, fold.summary().violations) == (1, 1)


def park_frame(at_s, import_wh, power_kw=0.0):
    return TelemetryFrame(
        gateway="g",
        sequence=at_s,
        sent_at_us=0,
        ids=["park"],
        measured_at_us=[BEGAN_US + at_s * SECOND_US],
        power_kw=[power_kw],
        energy_import_wh=[import_wh],
        energy_export_wh=[0],
    )


@pytest.mark.parametrize(
    ("readings", "imported_kwh"),
    [
        pytest.param([(0, 500), (1, 700), (2, 900)], 0.4, id="as it rises"),
        pytest.param([(0, 500), (2, 900), (1, 700)], 0.4, id="an older one that came late"),
        pytest.param([(0, 500), (1, 700), (1, 700)], 0.2, id="delivered twice"),
        pytest.param([(0, 500), (1, None), (2, 900)], 0.4, id="one missing"),
        pytest.param([(0, 500), (1, 10), (2, 30)], 0.02, id="the meter was replaced"),
    ],
)
def test_imported_is_what_the_register_gained(de_koumen, readings, imported_kwh):
    fold = SummaryFold(de_koumen)
    for at_s, import_wh in readings:
        fold.take_telemetry("@station", park_frame(at_s, import_wh), received_at_us=BEGAN_US + 10 * SECOND_US)
    assert fold.summary().imported_kwh == pytest.approx(imported_kwh)


def test_frames_of_another_park_and_unequal_columns_count_nothing(de_koumen):
    fold = SummaryFold(de_koumen)
    fold.take_telemetry("lus-99", park_frame(0, 500), received_at_us=BEGAN_US)
    unequal = TelemetryFrame(gateway="g", sequence=1, sent_at_us=0, ids=["park"], measured_at_us=[], power_kw=[])
    fold.take_telemetry("@station", unequal, received_at_us=BEGAN_US)
    assert (fold.summary().readings, fold.summary().began_us) == (0, None)


def test_a_run_without_messages_has_a_summary_in_which_nothing_was_seen(de_koumen):
    summary = SummaryFold(de_koumen).summary()
    assert (summary.readings, summary.limits_breached) == (0, 0)
    assert {figures.quarter_kw for figures in summary.limits} == {None}
