"""What "exactly once" costs: the recorder's store path beside a bare binary COPY of the same rows.

A thousand meters behind ten gateways, a frame of each per second; 10,000 rows are a batch. Each side has a database of
its own on one server, with the same tables and keys, and batches are taken in turns, so that a slow moment hits all.
Bare is a COPY of rows packed before the clock starts. Ours begins with decoded rows and ends with the commit: names to
ids, sorting, packing, the offsets of eight partitions compared and set, COPY, and the quarters that are due.
"""

import random
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psycopg

from connectors.recorder import _Attempt
from connectors.store.batch import Batch, Message
from connectors.store.copy_format import sort_unique
from connectors.store.migrations import migrate
from connectors.store.offsets import begin_offset
from connectors.store.tables import TELEMETRY
from connectors.store.writer import Writer, connect
from infra.services import DatabaseService, embedded_database
from streams.codec import encode
from streams.messages import TelemetryFrame
from streams.topics import PARTITIONS
from tests.bench.copy_baseline import BareCopy
from tests.bench.figure import Figure
from tests.connectors.store.messages import KEY, SECOND_US, START_US, partition

METERS, GATEWAYS, BATCH_S = 1_000, 10, 10
ROWS = METERS * BATCH_S
REPEATS = 7
BATCHES = 20
UNMEASURED = 3
"""At the start of each repeat: they make the day's chunk or partition."""
QUARTER_BATCHES = 900 // BATCH_S
DAY_S = 86_400

Side = tuple[psycopg.Connection, Callable[[], object]]


def figures() -> Iterator[Figure]:
    for edition, name in (("timescaledb", "TimescaleDB"), ("postgresql", "PostgreSQL")):
        with tempfile.TemporaryDirectory(prefix="lusbalans-") as folder:
            Path(folder).chmod(0o711)  # the server may run as another user
            with embedded_database(Path(folder), edition=edition) as service:
                bench = Bench(service)
                yield from against_bare(bench, name)
                yield from what_comes_twice(bench, name)
                yield whole_quarter(bench, name)


def against_bare(bench: "Bench", name: str) -> Iterator[Figure]:
    """Steady state: the quarter is open, names and days are known."""
    repeats = [in_turns(bench.next_batches(BATCHES)) for _ in range(REPEATS)]
    for clock in ("wall", "cpu"):
        ratio = median(getattr(spent["bare"], clock) / getattr(spent["ours"], clock) for spent in repeats)
        yield Figure(f"{name}, exactly once / bare COPY, by {clock} time", ratio, "x", "higher", 0.85, 1.0)
    ratio = median(spent["sorted"].wall / spent["ours"].wall for spent in repeats)
    yield Figure(f"{name}, exactly once / bare COPY of sorted rows", ratio, "x", "higher")
    for side, words in (("ours", "exactly once"), ("bare", "bare COPY")):
        rate = median(BATCHES * ROWS / spent[side].wall for spent in repeats)
        yield Figure(f"{name}, {words}", rate, "rows/s", "higher")
    yield Figure(f"{name}, exactly once, decoding included", bench.decoded_rate(), "rows/s", "higher")


def what_comes_twice(bench: "Bench", name: str) -> Iterator[Figure]:
    """A lost answer costs a look at the offsets; rows that are there already cost the batch a second way in."""
    for share, words in ((0.01, "1 % of the rows there already"), (1.0, "all rows there already")):
        repeats = [in_turns(bench.next_batches(BATCHES // 4, share_again=share)) for _ in range(REPEATS)]
        ratio = median(spent["bare"].wall / spent["ours"].wall for spent in repeats)
        yield Figure(f"{name}, {words} / bare COPY", ratio, "x", "higher")
    yield Figure(f"{name}, a batch after a lost answer to COMMIT", bench.lost_answer_ms(), "ms", "lower")


def whole_quarter(bench: "Bench", name: str) -> Figure:
    """From one boundary past the next, all that is due there included."""
    spent = in_turns(bench.next_batches(QUARTER_BATCHES + 2))
    return Figure(
        f"{name}, a whole quarter and its figures / bare COPY", spent["bare"].wall / spent["ours"].wall, "x", "higher"
    )


@dataclass
class Spent:
    """Seconds on the clock, and of the processors: this process and the server's session."""

    wall: float = 0.0
    cpu: float = 0.0

    @contextmanager
    def on(self, connection: psycopg.Connection) -> Iterator[None]:
        wall_s, cpu_s = time.perf_counter(), _cpu_s(connection)
        yield
        self.wall += time.perf_counter() - wall_s
        self.cpu += _cpu_s(connection) - cpu_s


def _cpu_s(connection: psycopg.Connection) -> float:
    """Of both ends; the session's as the scheduler counts it, in nanoseconds (Linux)."""
    of_session = Path(f"/proc/{connection.info.backend_pid}/schedstat").read_text(encoding="ascii").split()[0]
    return time.thread_time() + int(of_session) / 1e9


def in_turns(batches: Iterable[dict[str, Side]]) -> dict[str, Spent]:
    """Each batch on each side, in one order and then in the other; the first few do not count."""
    spent: dict[str, Spent] = {}
    for number, sides in enumerate(batches):
        for name in sorted(sides, reverse=number % 2 == 1):
            connection, store = sides[name]
            with (spent.setdefault(name, Spent()) if number >= UNMEASURED else Spent()).on(connection):
                store()
    return spent


class Bench:
    """Three databases with the same tables on one server, and the log that fills them."""

    def __init__(self, service: DatabaseService) -> None:
        dsns = [service.create_database(name) for name in ("ours", "bare", "sorted")]
        for dsn in dsns:
            migrate(dsn)
        self._ours, *bare = (connect(dsn, application_name="bench") for dsn in dsns)
        self._bare, self._sorted = (BareCopy(connection, TELEMETRY) for connection in bare)
        self._writer = Writer()
        self._partitions = [partition(number=number) for number in range(PARTITIONS)]
        self._ends = [0] * PARTITIONS
        self._day = 0
        for each in self._partitions:
            begin_offset(self._ours, each, 0)

    def next_batches(self, count: int, *, share_again: float = 0.0) -> Iterator[dict[str, Side]]:
        """Batches of a new day, the unmeasured ones before; `share_again` of their rows ours has stored before."""
        for at_s in self._seconds(UNMEASURED + count):
            if share_again:
                kept = self._batch(at_s, frames=round(share_again * BATCH_S * GATEWAYS))
                self._writer.store(self._ours, self._writer.prepare(self._ours, kept))
            yield self._sides(self._batch(at_s))

    def decoded_rate(self) -> float:
        """Rows per second from the bytes of the log to the commit."""
        seconds = []
        for at_s in self._seconds(UNMEASURED + BATCHES):
            frames = _frames(at_s)
            begin_s = time.perf_counter()
            self._store(self._decode(frames))
            seconds.append(time.perf_counter() - begin_s)
        return ROWS / median(seconds[UNMEASURED:])

    def lost_answer_ms(self) -> float:
        """The second attempt at a batch whose first one was stored, as the recorder makes it."""
        seconds = []
        for at_s in self._seconds(UNMEASURED + BATCHES):
            attempt = _Attempt(self._writer, self._batch(at_s))
            attempt(self._ours)
            begin_s = time.perf_counter()
            attempt(self._ours)
            seconds.append(time.perf_counter() - begin_s)
        return 1000 * median(seconds[UNMEASURED:])

    def _seconds(self, batches: int) -> range:
        """Where the batches of a new day begin."""
        self._day += 1
        begin_s = self._day * DAY_S
        for bare in (self._bare, self._sorted):
            bare.ensure_day(START_US + begin_s * SECOND_US)
        return range(begin_s, begin_s + batches * BATCH_S, BATCH_S)

    def _sides(self, batch: Batch) -> dict[str, Side]:
        arrived = batch.rows_of(TELEMETRY)
        self._writer.registry.resolve(self._ours)
        rows = self._writer.registry.to_ids(TELEMETRY, arrived)
        return {
            "ours": (self._ours, lambda: self._store(batch)),
            "bare": self._bare.side(rows),
            "sorted": self._sorted.side(sort_unique(TELEMETRY, rows)),
        }

    def _store(self, batch: Batch) -> None:
        self._writer.store(self._ours, self._writer.prepare(self._ours, batch))

    def _batch(self, at_s: int, *, frames: int = BATCH_S * GATEWAYS) -> Batch:
        return self._decode(_frames(at_s)[:frames])

    def _decode(self, frames: list[tuple[int, bytes]]) -> Batch:
        batch = Batch()
        for number, payload in frames:
            message = Message(self._partitions[number], self._ends[number], KEY, payload)
            assert batch.add(message, expected=self._ends[number], registry=self._writer.registry) is None
            self._ends[number] += 1
        return batch


def _frames(from_s: int) -> list[tuple[int, bytes]]:
    """A batch's frames as they lie in the log, each with its partition."""
    return [
        (gateway % PARTITIONS, encode(_frame(gateway, at_s)))
        for at_s in range(from_s, from_s + BATCH_S)
        for gateway in range(GATEWAYS)
    ]


def _frame(gateway: int, at_s: int) -> TelemetryFrame:
    """A hundred meters in no order of their ids."""
    chance = random.Random(at_s * GATEWAYS + gateway)
    ids = [f"meter-{number * 7919 % METERS:04d}" for number in range(gateway, METERS, GATEWAYS)]
    at_us = START_US + at_s * SECOND_US
    return TelemetryFrame(
        gateway=str(gateway),
        sequence=at_s,
        sent_at_us=at_us,
        ids=ids,
        measured_at_us=[at_us] * len(ids),
        power_kw=[chance.uniform(-100.0, 100.0) for _ in ids],
        energy_import_wh=[10 * at_s] * len(ids),
        energy_export_wh=[at_s] * len(ids),
    )
