"""The recorder on a real broker and real databases: exactly once, whatever fails in between."""

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import psycopg
import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition

from connectors.recorder import RecorderProgress, StoreNotReadyError, run
from connectors.store.migrations import migrate
from connectors.topic_admin import ensure_topics
from hub.quarters import QUARTER_US
from infra.services import KafkaService, embedded_database, embedded_kafka
from infra.settings import Settings
from streams.codec import encode
from streams.topics import SETPOINT, TELEMETRY, partition_of
from tests.connectors.store.cutting_proxy import cutting_proxy
from tests.connectors.store.messages import HUB, KEY, SECOND_US, START_US, frame, register_at, setpoint

pytestmark = pytest.mark.services

TIMEOUT_S = 60.0
RUN_FOREVER = """
import threading
from connectors.recorder import run
from infra.settings import Settings
from tests.connectors.store.messages import HUB
import sys
run(Settings(kafka_bootstrap=sys.argv[1], database_dsn=sys.argv[2]), HUB, threading.Event())
"""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaService]:
    """A broker of this module's own: its topics are the real ones, and one test restarts it."""
    with embedded_kafka(tmp_path_factory.mktemp("recorder")) as service:
        yield service


@pytest.fixture
def bootstrap(broker: KafkaService) -> str:
    """The broker with fresh, empty topics."""
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    if names := [name for name in admin.list_topics() if name.startswith("hub.")]:
        admin.delete_topics(names)
    wait_until(lambda: not [name for name in admin.list_topics() if name.startswith("hub.")])
    admin.close()
    ensure_topics(broker.bootstrap)
    return broker.bootstrap


@pytest.fixture
def dsn(postgres_dsn: str) -> str:
    migrate(postgres_dsn)
    return postgres_dsn


def wait_until(condition: Callable[[], bool]) -> None:
    """Real services take their time; none takes TIMEOUT_S."""
    end_s = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < end_s, "nothing happened"
        time.sleep(0.02)


@contextmanager
def recording(bootstrap: str, dsn: str) -> Iterator[RecorderProgress]:
    """A recorder in a thread, stopped in good order at the end."""
    progress, stop = RecorderProgress(), threading.Event()
    settings = Settings(kafka_bootstrap=bootstrap, database_dsn=dsn)
    thread = threading.Thread(target=run, args=(settings, HUB, stop, progress))
    thread.start()
    try:
        yield progress
    finally:
        stop.set()
        thread.join(TIMEOUT_S)
        assert not thread.is_alive()


def send(bootstrap: str, messages, *, topic: str = TELEMETRY.name) -> None:
    """Publish and wait until the broker has them."""
    producer = KafkaProducer(bootstrap_servers=bootstrap, compression_type="gzip", acks="all", linger_ms=5)
    for message in messages:
        producer.send(topic, message if isinstance(message, bytes) else encode(message), key=KEY)
    producer.flush(TIMEOUT_S)
    producer.close()


def ask(dsn: str, question: str):
    with psycopg.connect(dsn) as connection:
        return connection.execute(question).fetchall()


def count(dsn: str, table: str = "telemetry") -> int:
    return ask(dsn, f"select count(*) from {table}")[0][0]  # noqa: S608 - a name from this file


def meter(begin_s: int, end_s: int):
    """A frame per second; register and so quarter energy follow from the second alone."""
    return [frame(at_s, {"a": 7 * at_s, "b": 3 * at_s}) for at_s in range(begin_s, end_s)]


def drop_before(bootstrap: str, partition: int, offset: int) -> None:
    """Do what the end of the retention does: the log begins at that offset."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.delete_records({TopicPartition(TELEMETRY.name, partition): offset})
    admin.close()


def seconds_stored(dsn: str) -> list[int]:
    """Of which seconds the reading of `a` is there, each as often as it is."""
    return [
        at_s - START_US // SECOND_US
        for (at_s,) in ask(
            dsn,
            "select extract(epoch from measured_at)::bigint from telemetry join point using (point_id) where name = 'a' order by 1",
        )
    ]


def assert_stored_once(dsn: str, seconds: int) -> None:
    """Every second of `meter(0, seconds)` is there once, and the quarters are what the registers say."""
    assert count(dsn) == 2 * seconds
    found = ask(
        dsn,
        "select name, energy_import_wh from quarter join point using (point_id) where complete order by name, quarter_start",
    )
    readings = {
        name: [(START_US + at_s * SECOND_US, rate * at_s) for at_s in range(seconds)]
        for name, rate in (("a", 7), ("b", 3))
    }
    bounds = [START_US + number * QUARTER_US for number in range((seconds - 1) // 900 + 1)]
    assert found == [
        (name, register_at(end, readings[name]) - register_at(begin, readings[name]))
        for name in "ab"
        for begin, end in pairwise(bounds)
    ]


def test_what_is_in_the_log_is_in_the_tables(bootstrap, dsn):
    send(bootstrap, meter(0, 2000))
    send(bootstrap, [setpoint(1), setpoint(2)], topic=SETPOINT.name)
    with recording(bootstrap, dsn) as progress:
        wait_until(lambda: progress.rows_stored == 4002)
        wait_until(lambda: progress.lag_messages == 0)
    assert_stored_once(dsn, 2000)
    assert count(dsn, "setpoint") == 2
    assert (progress.last_event_us, progress.edition) == (START_US + 1999 * SECOND_US, "PostgreSQL")


def test_unreadable_messages_are_passed_over_and_counted(bootstrap, dsn):
    send(bootstrap, [b"\xff", *meter(0, 3), b'{"gateway": 1}', *meter(3, 5)])
    with recording(bootstrap, dsn) as progress:
        wait_until(lambda: progress.rows_stored == 10)
    assert progress.unreadable == 2


def test_readings_sent_twice_are_stored_once(bootstrap, dsn):
    send(bootstrap, [*meter(0, 1000), *meter(500, 1000), *meter(0, 10)])
    with recording(bootstrap, dsn) as progress:
        wait_until(lambda: progress.rows_stored + progress.duplicates == 3020)
    assert_stored_once(dsn, 1000)


def test_recorder_killed_again_and_again_stores_everything_once(bootstrap, dsn):
    chance = random.Random(1)
    send(bootstrap, meter(0, 500))
    for begin_s in range(500, 2000, 500):
        victim = subprocess.Popen([sys.executable, "-c", RUN_FOREVER, bootstrap, dsn])
        before = count(dsn)
        wait_until(lambda before=before: count(dsn) > before)
        send(bootstrap, meter(begin_s, begin_s + 500))
        time.sleep(chance.random())
        victim.send_signal(signal.SIGKILL)
        victim.wait()
    with recording(bootstrap, dsn):
        wait_until(lambda: count(dsn) == 4000)
    assert_stored_once(dsn, 2000)


def test_lost_commits_and_lost_answers_store_everything_once(bootstrap, dsn):
    port = int(psycopg.conninfo.conninfo_to_dict(dsn)["port"])
    with cutting_proxy(port) as proxy:
        through = psycopg.conninfo.make_conninfo(dsn, port=proxy.port)
        with recording(bootstrap, through) as progress:
            for part, cut in enumerate(["answer lost", "commit lost"] * 5):
                proxy.cuts.append(cut)
                send(bootstrap, meter(100 * part, 100 * part + 100))
                wait_until(lambda part=part: progress.messages == 100 * part + 100 and not proxy.cuts)
            wait_until(lambda: progress.rows_stored == 2000)
    assert proxy.done == ["answer lost", "commit lost"] * 5
    assert progress.duplicates == 0
    assert_stored_once(dsn, 1000)


def test_database_that_goes_away_loses_nothing(bootstrap, services_folder):
    with embedded_database(services_folder / "outage", edition="postgresql") as database:
        migrate(database.dsn)
        with recording(bootstrap, database.dsn) as progress:
            send(bootstrap, meter(0, 300))
            wait_until(lambda: progress.rows_stored == 600)
            dsn = database.dsn
            database.kill()
            send(bootstrap, meter(300, 700))
            wait_until(lambda: progress.database_away)
            send(bootstrap, meter(700, 1000))
            database.start()
            began_s = time.monotonic()
            wait_until(lambda: not progress.database_away)
            assert time.monotonic() - began_s < 5
            wait_until(lambda: progress.rows_stored == 2000)
        assert_stored_once(dsn, 1000)


def test_broker_that_restarts_loses_nothing(bootstrap, broker, dsn):
    with recording(bootstrap, dsn) as progress:
        send(bootstrap, meter(0, 300))
        wait_until(lambda: progress.rows_stored == 600)
        broker.kill()
        broker.start()
        send(bootstrap, meter(300, 1000))
        wait_until(lambda: progress.rows_stored == 2000)
    assert_stored_once(dsn, 1000)


def test_messages_the_broker_dropped_are_a_gap_on_record(bootstrap, dsn):
    send(bootstrap, meter(0, 100))
    with recording(bootstrap, dsn) as progress:
        wait_until(lambda: progress.rows_stored == 200)
    send(bootstrap, meter(100, 200))
    ((topic_id, partition, at),) = ask(
        dsn, "select topic_id, partition, next_offset from ingest_offset where next_offset > 0"
    )
    drop_before(bootstrap, partition, at + 40)
    with recording(bootstrap, dsn) as progress:
        wait_until(lambda: progress.rows_stored == 120)
    assert (progress.gaps, progress.duplicates) == (1, 0)
    assert ask(dsn, "select topic_id, partition, first_offset, next_offset, reason from ingest_gap") == [
        (topic_id, partition, at, at + 40, "dropped")
    ]
    assert seconds_stored(dsn) == [*range(100), *range(140, 200)]


def test_recorder_that_stood_still_for_longer_than_the_retention_records_one_gap(bootstrap, dsn):
    """What it had been sent before it stood still it stores; the rest of what was dropped is the gap."""
    victim = subprocess.Popen([sys.executable, "-c", RUN_FOREVER, bootstrap, dsn])
    send(bootstrap, meter(0, 100))
    wait_until(lambda: count(dsn) == 200)
    victim.send_signal(signal.SIGSTOP)
    send(bootstrap, meter(100, 400))
    drop_before(bootstrap, partition_of(KEY), 340)
    send(bootstrap, meter(400, 500))
    victim.send_signal(signal.SIGCONT)
    wait_until(lambda: seconds_stored(dsn)[-1] == 499)
    victim.kill()
    victim.wait()
    ((first, following),) = ask(dsn, "select first_offset, next_offset from ingest_gap")
    assert (100 <= first < 340, following) == (True, 340)
    assert seconds_stored(dsn) == [*range(first), *range(340, 500)]


def test_log_that_was_cut_off_is_read_again_and_stored_once(bootstrap, dsn):
    send(bootstrap, meter(0, 100))
    with recording(bootstrap, dsn) as progress:
        wait_until(lambda: progress.rows_stored == 200)
    with psycopg.connect(dsn) as connection:
        connection.execute("update ingest_offset set next_offset = 500 where next_offset = 100")
    send(bootstrap, meter(100, 200))
    with recording(bootstrap, dsn) as progress:
        wait_until(lambda: progress.rows_stored == 200)
    assert (progress.gaps, progress.duplicates) == (1, 200)
    assert ask(dsn, "select first_offset, next_offset, reason from ingest_gap") == [(200, 500, "log cut off")]


def test_second_recorder_stands_by_and_takes_over(bootstrap, dsn):
    with recording(bootstrap, dsn) as second:
        wait_until(lambda: second.edition != "")
        with recording(bootstrap, dsn) as first:
            for part in range(3):
                send(bootstrap, meter(100 * part, 100 * part + 100))
                wait_until(lambda part=part: count(dsn) == 200 * part + 200)
            assert first.standing_by != second.standing_by
        send(bootstrap, meter(300, 1000))
        wait_until(lambda: count(dsn) == 2000)
    assert_stored_once(dsn, 1000)
    assert first.duplicates == second.duplicates == 0


def test_database_without_the_schema_is_refused_with_the_remedy(bootstrap, postgres_dsn):
    with pytest.raises(StoreNotReadyError, match="lusbalans db migrate"):
        run(Settings(kafka_bootstrap=bootstrap, database_dsn=postgres_dsn), HUB, threading.Event())


def test_recorder_without_a_broker_stops_when_told(dsn):
    with recording("127.0.0.1:1", dsn) as progress:
        pass
    assert progress.messages == 0
