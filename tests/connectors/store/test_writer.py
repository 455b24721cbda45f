"""Storing batches: exactly once, and quarters that follow from the readings alone."""

import random

import msgspec
import psycopg
import pytest

from connectors.store.batch import Message
from connectors.store.offsets import FencedError, begin_offset, read_offsets
from connectors.store.writer import Writer, connect
from hub.quarters import QUARTER_US
from streams.codec import encode
from streams.topics import LOOP_STATE, SETPOINT, SETPOINT_RESULT, TELEMETRY
from tests.connectors.store.messages import (
    KEY,
    SECOND_US,
    START_US,
    batch_of,
    frame,
    partition,
    register_at,
    result,
    setpoint,
    state,
)

pytestmark = pytest.mark.services


@pytest.fixture
def log(store):
    mine = partition()
    begin_offset(store, mine, 0)
    return mine


def put(store, log, messages, *, offset=0, writer=None):
    """Store messages as one batch, as the recorder does."""
    mine = Writer() if writer is None else writer
    return mine.store(store, mine.prepare(store, batch_of(mine.registry, log, messages, offset=offset)))


def count(store, table):
    return store.execute(f"select count(*) from {table}").fetchone()[0]  # noqa: S608 - a name from this file


def quarters(store, point="a"):
    """Quarter's number from START, import and export energy, complete; of one point, in order."""
    return store.execute(
        """
        select (extract(epoch from quarter_start)::bigint - %s) / 900, energy_import_wh, energy_export_wh, complete
        from quarter join point using (point_id) where point.name = %s order by 1
        """,
        (START_US // SECOND_US, point),
    ).fetchall()


def test_reading_comes_back_as_it_was_measured(store, log):
    put(store, log, [frame(1.5, {"a": 1000, "b": None}, quality=["estimated", "bad"])])
    rows = store.execute(
        """
        select point.name, (extract(epoch from measured_at) * 1000000)::bigint, power_kw, energy_import_wh,
               energy_export_wh, soc_ratio, min_kw, max_kw, quality
        from telemetry join point using (point_id) order by 1
        """
    ).fetchall()
    at_us = START_US + 1_500_000
    assert rows == [
        ("a", at_us, 1.5, 1000, 500, None, None, None, 1),
        ("b", at_us, 1.5, None, None, None, None, None, 2),
    ]


def test_states_setpoints_and_results_come_back_with_their_words(store, log):
    put(store, log, [frame(0, {"a": 1})])
    for topic, message in (
        ("hub.loop.state.v1", state(3)),
        ("hub.setpoint.v1", setpoint(4)),
        ("hub.setpoint.result.v1", result(4)),
    ):
        other = partition(topic)
        begin_offset(store, other, 0)
        put(store, other, [message])
    assert store.execute("select tick, l.name from loop_state join label l on label_id = binding").fetchone() == (
        3,
        "import contract",
    )
    assert store.execute(
        "select p.name, sequence, power_kw, l.name from setpoint join point p using (point_id) join label l on label_id = bound"
    ).fetchone() == ("asset-0", 4, 7.0, "exact")
    assert store.execute(
        "select p.name, l.name, latency_ms from setpoint_result join point p using (point_id) join label l on label_id = outcome"
    ).fetchone() == ("lus-1", "accepted", 40.0)


def test_same_readings_sent_twice_are_stored_once(store, log):
    frames = [frame(at_s, {"a": at_s, "b": at_s}) for at_s in range(5)]
    first = put(store, log, [*frames, frames[0]])
    assert (first.rows, first.duplicates) == (10, 2)
    again = put(store, log, [*frames, frame(9, {"a": 9})], offset=6)
    assert (again.rows, again.duplicates) == (1, 10)
    assert count(store, "telemetry") == 11


def test_first_of_two_readings_of_one_instant_stays(store, log):
    put(store, log, [frame(0, {"a": 5})])
    put(store, log, [frame(0, {"a": 6})], offset=1)
    assert store.execute("select energy_import_wh from telemetry").fetchall() == [(5,)]


def test_batch_stored_already_is_fenced_and_changes_nothing(store, log):
    put(store, log, [frame(0, {"a": 1})])
    with pytest.raises(FencedError):
        put(store, log, [frame(0, {"a": 1}), frame(1, {"a": 2})])
    assert (count(store, "telemetry"), read_offsets(store, [log])) == (1, {log: 1})


def test_only_one_of_two_recorders_stores_the_same_offsets(store, store_dsn, log):
    other = Writer()
    with connect(store_dsn, application_name="other") as connection:
        theirs = other.prepare(connection, batch_of(other.registry, log, [frame(0, {"a": 1}), frame(1, {"a": 2})]))
        put(store, log, [frame(0, {"a": 1})])
        with pytest.raises(FencedError):
            other.store(connection, theirs)
    assert read_offsets(store, [log]) == {log: 1}


def test_session_that_is_killed_before_the_commit_leaves_nothing(store, store_dsn, log):
    writer = Writer()
    with connect(store_dsn, application_name="victim") as victim:
        prepared = writer.prepare(victim, batch_of(writer.registry, log, [frame(0, {"a": 1})]))
        store.execute("select pg_terminate_backend(%s)", (victim.info.backend_pid,))
        with pytest.raises(psycopg.OperationalError):
            writer.store(victim, prepared)
    assert (count(store, "telemetry"), read_offsets(store, [log])) == (0, {log: 0})
    assert put(store, log, [frame(0, {"a": 1})], writer=writer).rows == 1


def test_offsets_that_the_log_passes_over_are_gaps_on_record(store, log):
    put(store, log, [frame(0, {"a": 1})])
    writer = Writer()
    batch = batch_of(writer.registry, log, [frame(1, {"a": 2})], offset=1)
    batch.add(Message(log, 5, KEY, encode(frame(2, {"a": 3}))), expected=2, registry=writer.registry)
    batch.add(Message(log, 6, KEY, encode(frame(3, {"a": 4}))), expected=6, registry=writer.registry)
    writer.store(store, writer.prepare(store, batch))
    assert store.execute("select first_offset, next_offset, reason from ingest_gap").fetchall() == [
        (2, 5, "missing in the log")
    ]
    assert (count(store, "telemetry"), read_offsets(store, [log])) == (4, {log: 7})


def test_unreadable_messages_move_the_offset_and_nothing_else(store, log):
    stored = put(store, log, [b"not json", b"{}", frame(0, {"a": 1})])
    assert (stored.rows, read_offsets(store, [log])) == (1, {log: 3})


@pytest.mark.parametrize("seed", range(8))
def test_no_message_of_the_right_shape_can_stop_the_recorder(store, seed):
    """The worst values that pass the decoder, in every place: the batch is stored, the offset moves."""
    chance = random.Random(seed)
    text = ["", "a", "a\0", "x" * 5000, "\U0010ffff", "'; drop table telemetry; --"]
    whole = [0, 1, -1, 2**31, 2**63 - 1, -(2**63), 2**63, 10**30, START_US, START_US + 10**14]
    real = [None, 0.0, -0.0, 1e300, -1e-300, 3.5]
    for topic, messages in {
        TELEMETRY.name: [frame(0, {"a": 1, "b": None})] * 30,
        LOOP_STATE.name: [state(1, ["lus-1", "lus-1/a"])] * 30,
        SETPOINT.name: [setpoint(1, [1.0, 2.0])] * 30,
        SETPOINT_RESULT.name: [result(1), result(2, ["a", "b"])] * 15,
    }.items():
        mine = partition(topic)
        begin_offset(store, mine, 0)
        put(store, mine, [spoiled(message, chance, text=text, whole=whole, real=real) for message in messages])
        assert read_offsets(store, [mine]) == {mine: 30}


def spoiled(message, chance, *, text, whole, real):
    """The message with some of its values replaced by others of their type."""

    def worse(value):
        if chance.random() < 0.7 or isinstance(value, bool):
            return value
        choices = text if isinstance(value, str) else whole if isinstance(value, int) else real
        return chance.choice([choice for choice in choices if choice is not None or value is None])

    def walk(value):
        if isinstance(value, dict):
            return {name: walk(part) for name, part in value.items()}
        return [walk(part) for part in value] if isinstance(value, list) else worse(value)

    return msgspec.json.encode(walk(msgspec.to_builtins(message)))


def series(seed: int, seconds: int = 4000) -> dict[str, list[tuple[int, int]]]:
    """Irregular readings (instant in us, register in Wh) of three meters."""
    chance = random.Random(seed)
    made = {}
    for name in "abc":
        at_us, register_wh, readings = START_US - 5 * SECOND_US, chance.randrange(10**9), []
        while at_us < START_US + seconds * SECOND_US:
            readings.append((at_us, register_wh))
            at_us += chance.randrange(1, 40) * 500_000
            register_wh += chance.randrange(0, 50)
        made[name] = readings
    return made


def expected_wh(readings: list[tuple[int, int]], number: int) -> int:
    begin_us = START_US + number * QUARTER_US
    return register_at(begin_us + QUARTER_US, readings) - register_at(begin_us, readings)


@pytest.mark.parametrize("seed", range(3))
def test_quarters_are_those_of_an_independent_computation_in_any_order_of_arrival(store, log, seed):
    made = series(seed)
    frames = [
        frame((at_us - START_US) / SECOND_US, {name: wh}) for name, readings in made.items() for at_us, wh in readings
    ]
    random.Random(seed).shuffle(frames)
    writer = Writer()
    for offset in range(0, len(frames), 97):
        put(store, log, frames[offset : offset + 97], offset=offset, writer=writer)
    writer.refresh_quarters(store)
    for name, readings in made.items():
        found = {number: wh for number, wh, _, complete in quarters(store, name) if complete and number >= 0}
        assert found == {number: expected_wh(readings, number) for number in range(4)}


def test_restart_after_every_batch_gives_the_same_quarters(store, log):
    readings = series(7)["a"]
    frames = [frame((at_us - START_US) / SECOND_US, {"a": wh}) for at_us, wh in readings]
    for offset in range(0, len(frames), 50):
        put(store, log, frames[offset : offset + 50], offset=offset)
    found = {number: wh for number, wh, _, complete in quarters(store) if complete and number >= 0}
    assert found == {number: expected_wh(readings, number) for number in range(4)}


def test_late_reading_leaves_quarters_with_known_boundaries_as_they_were(store, log):
    writer = Writer()
    put(store, log, [frame(at_s, {"a": at_s}) for at_s in (0, 900, 1800, 2100, 2700, 3600)], writer=writer)
    before = quarters(store)
    put(store, log, [frame(2200, {"a": 2500})], offset=6, writer=writer)
    writer.refresh_quarters(store)
    assert (
        quarters(store)
        == before
        == [(0, 900, 450, True), (1, 900, 450, True), (2, 900, 450, True), (3, 900, 450, True), (4, None, None, False)]
    )
    put(store, log, [frame(2690, {"a": 2600})], offset=7, writer=writer)
    assert quarters(store) == before


def test_register_that_went_back_is_flagged_and_never_negative(store, log):
    put(store, log, [frame(at_s, {"a": wh}) for at_s, wh in ((0, 5000), (450, 5100), (500, 3), (900, 9), (1800, 29))])
    rows = store.execute("select energy_import_wh, register_went_back from quarter order by quarter_start").fetchall()
    assert rows[:2] == [(None, True), (20, False)]


def test_bad_reading_is_kept_but_does_not_count(store, log):
    put(store, log, [frame(0, {"a": 0}), frame(900, {"a": 90})])
    put(store, log, [frame(450, {"a": 77777}, quality=["bad"])], offset=2)
    assert count(store, "telemetry") == 3
    assert quarters(store)[0] == (0, 90, 45, True)


def test_complete_quarter_survives_that_old_telemetry_was_dropped(store, log):
    put(store, log, [frame(0, {"a": 0}), frame(900, {"a": 90})])
    store.execute("delete from telemetry")
    put(store, log, [frame(450, {"a": 50})], offset=2)
    assert quarters(store)[0] == (0, 90, 45, True)


def test_provisional_figure_follows_when_it_is_refreshed(store, log):
    writer = Writer()
    put(store, log, [frame(0, {"a": 0}), frame(10, {"a": 4})], writer=writer)
    put(store, log, [frame(20, {"a": 9})], offset=2, writer=writer)
    assert quarters(store) == [(0, 4, 2, False)]
    assert writer.refresh_quarters(store) == 1
    assert quarters(store) == [(0, 9, 4, False)]


def test_names_are_registered_once_and_apart_for_each_hub(store, log):
    for offset in range(3):
        put(store, log, [frame(offset, {"a": 1, "b": 1})], offset=offset)
    assert store.execute("select hub.name, point.name from point join hub using (hub_id) order by 2").fetchall() == [
        ("park", "a"),
        ("park", "b"),
    ]


def test_days_far_apart_are_stored_without_preparation(store, log):
    day_s = 86_400
    put(store, log, [frame(-300 * day_s, {"a": 1}), frame(0, {"a": 2}), frame(40 * day_s, {"a": 3})])
    assert count(store, "telemetry") == 3


def test_recorder_needs_no_superuser_and_no_ownership(store, store_dsn, log):
    role = f"writer_{store.info.dbname}"
    store.execute(f"create role {role}")
    store.execute(f"grant select, insert, update on all tables in schema public to {role}")
    store.execute(f"grant usage on all sequences in schema public to {role}")
    with connect(psycopg.conninfo.make_conninfo(store_dsn, options=f"-c role={role}"), application_name="w") as plain:
        assert put(plain, log, [frame(0, {"a": 1}), frame(900, {"a": 2}), frame(0, {"a": 1})]).rows == 2
        assert put(plain, log, [frame(0, {"a": 1})], offset=3).duplicates == 1
    store.execute(f"drop owned by {role}")
    store.execute(f"drop role {role}")


@pytest.mark.parametrize(
    ("writer_of", "found_wh"),
    [
        pytest.param(lambda mine: mine, 1, id="left alone by the writer that stored them"),
        pytest.param(lambda _: Writer(), 90, id="recomputed by a writer that knows nothing"),
    ],
)
def test_quarters_of_readings_sent_twice_are(store, log, writer_of, found_wh):
    mine = Writer()
    frames = [frame(at_s, {"a": at_s // 10}) for at_s in (0, 450, 900)]
    put(store, log, frames, writer=mine)
    store.execute("update quarter set energy_import_wh = 1 where complete")  # a mark that a recomputation removes
    put(store, log, [*frames, frame(901, {"a": 91})], offset=3, writer=writer_of(mine))
    assert quarters(store)[0] == (0, found_wh, 45, True)
    assert count(store, "telemetry") == 4
