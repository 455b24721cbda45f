"""What the fault tests measure and hold: gaps between setpoints, order of writers, and the store against the ledger."""

import statistics
import time
from itertools import pairwise

import msgspec
import psycopg

from hub.quarters import QUARTER_US, quarter_start_us
from streams.codec import decode_setpoint
from streams.messages import Claim, Outcome

GAP_S = 20.0
"""Longest time without setpoints that passes here; what was measured is printed (4 s on a free machine)."""


def by_loop(messages):
    """Setpoint frames by grid loop, each with the time the broker took it, in order."""
    frames = {}
    for heard in messages:
        frame = decode_setpoint(heard.value)
        frames.setdefault(frame.grid_loop, []).append((heard.at_s, frame))
    return frames


def generations(messages):
    return {frame.epoch.generation for frames in by_loop(messages).values() for _, frame in frames}


def everybody_since(at_s, loops):
    """Tell, of setpoint messages, whether every loop got one since then."""
    return lambda messages: {decode_setpoint(m.value).grid_loop for m in messages if m.at_s > at_s} == loops


def worst_gap_s(messages, *, after_s, until_s=float("inf")):
    """Longest time between two setpoint frames of one loop, of those that ended in this time."""
    return max(
        later - before
        for frames in by_loop(messages).values()
        for (before, _), (later, _) in pairwise(frames)
        if after_s < later < until_s
    )


def missed_ticks(messages, *, after_s, until_s):
    """Ticks without a frame, of the loop that missed most of them."""
    missed = []
    for frames in by_loop(messages).values():
        ticks = [frame.tick for at_s, frame in frames if after_s < at_s < until_s]
        missed.append(ticks[-1] - ticks[0] + 1 - len(set(ticks)))
    return max(missed)


def median_into_tick_s(messages, spans):
    """How far into its tick (1 s) a setpoint frame is in the log, at the median of these times (after, until)."""
    return statistics.median(
        at_s - frame.tick
        for frames in by_loop(messages).values()
        for at_s, frame in frames
        if any(after_s < at_s < until_s for after_s, until_s in spans)
    )


def late_frames(messages):
    """Frames of an older epoch that came after one of a newer."""
    late = []
    for frames in by_loop(messages).values():
        newest = frames[0][1].epoch
        for _, frame in frames:
            late += [frame] if frame.epoch < newest else []
            newest = max(newest, frame.epoch)
    return late


def assert_dispatch_took_no_older(results, messages):
    """Nothing that was written after a newer epoch was accepted (R8); answers to full frames come when devices did."""
    accepted = {marked(result) for result in results if result.outcome == Outcome.ACCEPTED}
    assert accepted
    assert accepted.isdisjoint(map(marked, late_frames(messages)))


def marked(message):
    return message.grid_loop, message.epoch, message.sequence


def owners(messages):
    """Who claimed what, by generation; one generation never has two owners of a loop."""
    found = {}
    for claim in (msgspec.json.decode(m.value, type=Claim) for m in messages):
        owner = found.setdefault(claim.generation, {}).setdefault(claim.grid_loop, claim.worker)
        assert owner == claim.worker, claim
    return found


def assert_store_is_the_ledger(dsn, gateway):
    """Each acknowledged reading once, nothing twice, and the quarters of every meter to the watt-hour, as far as read.

    For a recorder that was told to stop: the open quarter, in which faults happen, is brought up to its readings then.
    """
    readings = readings_of(dsn, gateway.hub.id)
    assert len(readings) == len(set(readings))
    acknowledged = {
        (point, at_us)
        for loop, ids in gateway.tree.meters.items()
        for point in ids
        for at_us in gateway.acknowledged[loop]
    }
    assert acknowledged <= set(readings)
    stored_wh = quarters_of(dsn, gateway.hub.id)
    true_wh = ledger_wh(gateway, newest_us=newest_by_point(readings))
    assert {quarter: stored_wh.get(quarter) for quarter in true_wh} == true_wh
    assert {point for point, _ in true_wh} == set(gateway.points)


def newest_by_point(readings):
    newest_us = {}
    for point, at_us in readings:
        newest_us[point] = max(at_us, newest_us.get(point, at_us))
    return newest_us


def ledger_wh(gateway, *, newest_us):
    """What every meter's quarters come to up to its newest reading, by point and quarter."""
    first_us = quarter_start_us(min(map(min, gateway.acknowledged.values()))) + QUARTER_US
    return {
        (point, start_us): gateway.register_wh(point, min(start_us + QUARTER_US, until_us) // 1_000_000)
        - gateway.register_wh(point, start_us // 1_000_000)
        for point, until_us in newest_us.items()
        for start_us in range(first_us, until_us, QUARTER_US)
    }


def rows_of(dsn, hub_id, table, *columns):
    """Point and columns of one hub's rows; the tests' parks share a log, so a recorder stores all of them."""
    with psycopg.connect(dsn) as connection:
        return connection.execute(
            f"select {', '.join(('point.name', *columns))} from {table}"  # noqa: S608 (our own names)
            " join point using (point_id) join hub using (hub_id) where hub.name = %s",
            [hub_id],
        ).fetchall()


def quarters_of(dsn, hub_id):
    """Imported Wh by point and quarter."""
    rows = rows_of(dsn, hub_id, "quarter", instant_us("quarter_start"), "energy_import_wh")
    return {(point, start_us): energy_wh for point, start_us, energy_wh in rows}


def readings_of(dsn, hub_id):
    """Point and instant of every reading in the table."""
    return rows_of(dsn, hub_id, "telemetry", instant_us("measured_at"))


def instant_us(column):
    return f"(extract(epoch from {column}) * 1000000)::bigint"


def wait_until_stored(dsn, gateway, *, within_s=60):
    """Wait for the newest instant that the broker has of each loop."""
    newest = {(ids[0], max(gateway.acknowledged[loop])) for loop, ids in gateway.tree.meters.items()}
    deadline_s = time.monotonic() + within_s
    while not newest <= set(readings_of(dsn, gateway.hub.id)):
        assert time.monotonic() < deadline_s, "the recorder did not catch up"
        time.sleep(0.5)
