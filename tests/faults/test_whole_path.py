"""Everything works: from the simulated park's meters by setpoints to its devices, and into the tables, to the Wh."""

import time

import pytest

from connectors.simulator.ledger import FILE_NAME, read_page
from hub.model import AssetKind
from streams.codec import decode_result, decode_setpoint, decode_telemetry
from streams.messages import Outcome
from streams.topics import SETPOINT, SETPOINT_RESULT, TELEMETRY
from tests.faults.judging import everybody_since, quarters_of, rows_of

pytestmark = pytest.mark.services

ROLES = ("simulator", "worker", "dispatch", "recorder")
BALANCED_S = 10.0
CONNECTIONS = 100


def wait_for_rows(dsn, hub_id, table, *, rows, within_s=30):
    deadline_s = time.monotonic() + within_s
    while (stored := len(rows_of(dsn, hub_id, table))) < rows:
        assert time.monotonic() < deadline_s, f"{table}: {stored} rows of {rows} in {within_s} s"
        time.sleep(0.2)


@pytest.fixture
def day(database, hub, roles, listen, tmp_path):
    """A short run of all roles on one database, ended in order: everything each of them said and stored."""
    roles.dsn, listener = database.dsn, listen(TELEMETRY, SETPOINT, SETPOINT_RESULT)
    processes = {role: roles.start(role) for role in ROLES}
    listener.wait(SETPOINT, everybody_since(time.time(), {loop.id for loop in hub.grid_loops}), within_s=90)
    time.sleep(BALANCED_S)
    for role in ("worker", "dispatch", "simulator"):  # devices outlive whoever tells them, or an order would fail
        processes[role].terminate()
        assert processes[role].wait(20) == 0, roles.log_of(role).read_text()
    ledger = read_page(tmp_path / "simulator" / FILE_NAME)
    wait_for_rows(database.dsn, hub.id, "telemetry", rows=ledger.readings_acknowledged)
    listener.read_to_end()
    frames = [decode_setpoint(m.value) for m in listener.heard[SETPOINT.name]]
    wait_for_rows(database.dsn, hub.id, "setpoint", rows=sum(len(frame.ids) for frame in frames))
    processes["recorder"].terminate()
    assert processes["recorder"].wait(30) == 0
    return database.dsn, ledger, frames, listener


def test_what_the_park_metered_passes_through_everything_into_the_tables(day, hub):
    dsn, ledger, frames, listener = day
    telemetry = [decode_telemetry(m.value) for m in listener.heard[TELEMETRY.name]]
    results = [decode_result(m.value) for m in listener.so_far(SETPOINT_RESULT)]
    assert (
        len(rows_of(dsn, hub.id, "telemetry"))
        == sum(len(each.ids) for each in telemetry)
        == ledger.readings_acknowledged
    )
    assert len(rows_of(dsn, hub.id, "setpoint")) == sum(len(frame.ids) for frame in frames)
    assert_energies_are_the_ledgers(quarters_of(dsn, hub.id), ledger, telemetry)
    assert_devices_obeyed(telemetry, frames, hub)
    latencies_ms = sorted(each.latency_ms for each in results if each.latency_ms is not None)
    print(
        f"{len(telemetry)} frames of telemetry, {len(frames)} of setpoints, {len(results)} answers; devices had setpoints"
        f" {latencies_ms[len(latencies_ms) // 2]:.0f} ms after they were issued (median)"
    )
    assert Outcome.REFUSED not in {each.outcome for each in results}
    assert {each.grid_loop for each in results if each.latency_ms is not None} == {loop.id for loop in hub.grid_loops}
    assert rows_of(dsn, hub.id, "setpoint_result")


def assert_energies_are_the_ledgers(stored_wh, ledger, telemetry):
    """The registers stood at zero when the ledger began, a second before the first reading."""
    first_wh = {}
    for frame in telemetry:
        for point, register_wh in zip(frame.ids, frame.energy_import_wh, strict=True):
            first_wh.setdefault(point, register_wh)
    counted_wh, true_wh = {}, {}
    for node in first_wh.keys() & ledger.nodes.keys():
        own_wh = [energy_wh for (point, _), energy_wh in stored_wh.items() if point == node]
        counted_wh[node] = first_wh[node] + sum(own_wh)
        true_wh[node] = sum(quarter.import_wh for quarter in ledger.nodes[node].quarters)
    assert counted_wh == true_wh
    assert len(true_wh) >= CONNECTIONS


def assert_devices_obeyed(telemetry, frames, hub):
    """Batteries, at rest before they were told, were measured at what they were told last."""
    batteries = {asset.id for asset in hub.assets if asset.kind is AssetKind.BATTERY}
    told = {point: kw for frame in frames for point, kw in zip(frame.ids, frame.power_kw, strict=True)}
    measured = {point: kw for frame in telemetry for point, kw in zip(frame.ids, frame.power_kw, strict=True)}
    moved = {battery for battery in batteries if abs(measured[battery]) > 1}
    assert moved
    assert any(abs(measured[battery] - told[battery]) < 1 for battery in moved)
