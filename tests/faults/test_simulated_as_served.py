"""The park as services balance it, and the same park, seconds and sun in virtual time, come to the same summary.

All chance of the simulated park is a function of the instant, so that the simulation can live the very minute again.
"""

import time

import pytest

from connectors.simulation.closed_loop import ClosedLoop
from connectors.simulation.faults import Fault, FaultKind, Faults
from connectors.simulation.plan import Watcher
from connectors.simulation.second_run import live
from connectors.simulation.trace import open_trace
from connectors.simulator.building import build_park
from connectors.simulator.ledger import FILE_NAME, read_page
from connectors.simulator.scenarios import scenario_named
from hub.profiles import read_profiles
from streams.codec import decode_result, decode_setpoint, decode_state, decode_telemetry
from streams.messages import Outcome
from streams.summary import SummaryFold
from streams.topics import LOOP_STATE, SETPOINT, SETPOINT_RESULT, TELEMETRY
from tests.faults.judging import everybody_since

pytestmark = pytest.mark.services

BALANCED_S = 45.0
SECOND_US = 1_000_000
ENERGIES = ("imported_kwh", "exported_kwh", "charged_kwh", "curtailed_kwh")


@pytest.fixture
def served(hub, roles, listen, tmp_path):
    """What a minute of the real processes came to, the park's own account of it, and its first tick."""
    listener = listen(TELEMETRY, SETPOINT, SETPOINT_RESULT, LOOP_STATE)
    processes = {role: roles.start(role) for role in ("simulator", "worker", "dispatch")}
    listener.wait(SETPOINT, everybody_since(time.time(), {loop.id for loop in hub.grid_loops}), within_s=90)
    time.sleep(BALANCED_S)
    for role in ("simulator", "worker", "dispatch"):
        processes[role].terminate()
        assert processes[role].wait(20) == 0, roles.log_of(role).read_text()
    ledger = read_page(tmp_path / "simulator" / FILE_NAME)
    fold = SummaryFold(hub)
    for heard in listener.so_far(TELEMETRY):
        frame = decode_telemetry(heard.value)
        fold.take_telemetry(frame.gateway.removeprefix("simulated "), frame, received_at_us=round(heard.at_s * 1e6))
    frames = [(heard, decode_setpoint(heard.value)) for heard in listener.so_far(SETPOINT)]
    known = [(heard, frame) for heard, frame in frames if frame.tick * SECOND_US <= ledger.until_us]
    for heard, frame in known:
        fold.take_setpoints(frame, appended_us=round(heard.at_s * 1e6))
    for heard in listener.so_far(LOOP_STATE):
        fold.take_state(decode_state(heard.value))
    for heard in listener.so_far(SETPOINT_RESULT):
        fold.take_result(decode_result(heard.value))
    return fold.summary(), ledger, min(frame.tick for _, frame in known)


def test_a_minute_of_services_lived_again_in_virtual_time_comes_to_the_same_figures(served, hub, hub_dir):
    summary, ledger, first_tick = served
    park = build_park(
        hub, read_profiles(hub_dir, hub), scenario=scenario_named(ledger.scenario), began_us=ledger.began_us
    )
    nobody_yet = Fault(FaultKind.WORKER_GAP, "", ledger.began_us, first_tick * SECOND_US)
    simulated = live(
        hub,
        ClosedLoop(hub, park, faults=Faults(faults=(nobody_yet,)), in_failsafe=True),
        until_us=ledger.until_us,
        trace=open_trace(None, []),
        watcher=Watcher(is_stopped=lambda: False, on_progress=lambda _at_us: None),
    ).summary
    print(f"served / simulated, {(ledger.until_us - ledger.began_us) / 1e6:.0f} s:")
    for energy in ENERGIES:
        print(f"  {energy:<14} {getattr(summary, energy):9.3f} {getattr(simulated, energy):9.3f}")
    assert summary.imported_kwh > 0
    for energy in ENERGIES:
        # a kilowatt-hour: a few seconds' difference in when a worker began, or a second that the busy machine skipped
        assert getattr(simulated, energy) == pytest.approx(getattr(summary, energy), rel=0.05, abs=1.0)
    assert [limit.breached for limit in simulated.limits] == [limit.breached for limit in summary.limits]
    # served, a device may fail where dispatch was up before the simulator listened
    assert simulated.results.keys() == summary.results.keys() - {Outcome.DEVICE_FAILED}
    assert abs(simulated.ticks - summary.ticks) <= 3
