"""Everything is killed at random moments, hundreds of times: nothing is lost, nothing twice, nothing old applied."""

import os
import random
import signal
import statistics
import time
from dataclasses import dataclass, field

import psycopg
import pytest

from tests.faults.judging import GAP_S, assert_store_is_the_ledger, wait_until_stored
from tests.soak.conftest import TENTH
from tests.soak.judging import assert_nothing_old_was_applied, gap_s, in_order, percentile
from tests.soak.killing import Killer

pytestmark = [pytest.mark.services, pytest.mark.soak]

WORKER, RECORDER, DISPATCH, BROKER, DATABASE = 200, 100, 100, 20, 20
"""Kills of the full soak; where it is asked for a tenth or less, half of that: `make test` has not the time for more."""

WORKERS = ("worker", "second worker")

MOST_WAIT_S = 2.0
"""A worker or a broker lives at most so long after all loops were balanced."""

AWAY_S = 3.0
"""A database or a broker that was killed is started again within this."""

ROUND_S = 6.5
"""What a kill of the worker takes, about: the others are spread over it."""

GAP_P99_S = 6.0
"""Held on a machine that does nothing else; the session is 3 s."""

FROZEN_S = 20.0
QUIET_S = 5.0


@dataclass(eq=False)
class Kills:
    """What was killed, and how long it took until all was well again."""

    stand: object
    chance: random.Random
    worker_gaps_s: list[float] = field(default_factory=list)
    broker_gaps_s: list[float] = field(default_factory=list)
    away_s: list[tuple[float, float]] = field(default_factory=list)
    """When there was no broker, or not yet one for all loops."""
    databases: int = 0

    def kill_worker(self) -> None:
        """One of the two; the other takes its loops when the session has ended, the new one some of them later."""
        before = self.stand.setpoints.generation()
        self.stand.supervisor.kill(self.chance.choice(WORKERS))
        self.worker_gaps_s.append(self._gap_after(before))
        print(f"worker killed, generation {before}: {self.worker_gaps_s[-1]:.2f} s without setpoints")

    def kill_broker(self) -> None:
        """Together with its controller; the worker lives on, or is started again where it was killed meanwhile."""
        gone_s = time.time()
        self.stand.broker.kill()
        time.sleep(self.chance.uniform(0, AWAY_S))
        self.stand.broker.start()
        self.stand.until_balanced(time.time())
        self.away_s.append((gone_s, time.time()))
        self.broker_gaps_s.append(time.time() - gone_s)
        print(f"broker killed: balanced again {self.broker_gaps_s[-1]:.2f} s later")

    def kill_database(self) -> None:
        self.stand.database.kill()
        self.databases += 1
        time.sleep(self.chance.uniform(0, AWAY_S))
        self.stand.database.start()

    def unexplained(self) -> list:
        """Roles that ended by themselves; a worker that finds no broker when it starts ends, to be started again."""
        return [
            ended
            for ended in self.stand.supervisor.ended
            if ended.name not in WORKERS or not any(gone_s <= ended.at_s <= back_s for gone_s, back_s in self.away_s)
        ]

    def _gap_after(self, generation: int) -> float:
        self.stand.setpoints.wait(
            lambda frame: frame.epoch.generation > generation, self.stand.loops, within_s=90
        )  # fmt: skip
        return gap_s(self.stand.setpoints.frames, generation=generation)

    def all(self, scale: float, *, seed: int) -> None:
        """Worker and broker one after the other, in an order by chance; the others at any moment of it."""
        supervisor = self.stand.supervisor
        strikes = [self.kill_worker] * counted(WORKER, scale) + [self.kill_broker] * counted(BROKER, scale)
        self.chance.shuffle(strikes)
        passed_s = ROUND_S * len(strikes)
        killers = [
            Killer(name, strike, seed=seed, times=counted(full, scale), mean_s=passed_s / counted(full, scale))
            for name, full, strike in (
                ("recorder", RECORDER, lambda: supervisor.kill("recorder")),
                ("dispatch", DISPATCH, lambda: supervisor.kill("dispatch")),
                ("database", DATABASE, self.kill_database),
            )
        ]
        for killer in killers:
            killer.start()
        for strike in strikes:
            time.sleep(self.chance.uniform(0, MOST_WAIT_S))
            strike()
        for killer in killers:
            killer.join(3 * passed_s)
            assert (killer.error, killer.struck) == (None, killer.times), killer.name


def counted(full: int, scale: float) -> int:
    return max(1, round(full * scale))


def freeze_a_worker(stand) -> list:
    """One of two workers stands still while the other takes its loops, and goes on; returns the old frames it wrote.

    Waking up it knows nothing fresh and would send all home: no device is.
    """
    frozen = stand.supervisor.processes[WORKERS[0]]
    os.kill(frozen.pid, signal.SIGSTOP)
    time.sleep(FROZEN_S)
    stand.until_balanced(time.time())
    woken_s = time.time()
    os.kill(frozen.pid, signal.SIGCONT)
    time.sleep(QUIET_S)
    stand.until_balanced(time.time())
    assert [each for each in stand.devices.told if each.at_s >= woken_s and each.power_kw == 0] == []
    late = [each for written in stand.setpoints.frames.values() for each in in_order(written)[1]]
    return [each for each in late if each.at_s >= woken_s]


def setpoints_stored(dsn) -> int:
    with psycopg.connect(dsn) as connection:
        return connection.execute("select count(*) from setpoint").fetchone()[0]


def test_R1_R8_killed_at_random_nothing_is_lost_or_twice_and_nothing_old_applied(stand, scale, seed):  # noqa: N802
    began_s = time.time()
    for name in (*WORKERS, "dispatch", "recorder"):
        stand.supervisor.start("worker" if name in WORKERS else name, name)
    stand.until_balanced(time.time())
    kills = Kills(stand, random.Random(seed))
    kills.all(scale if scale > TENTH else scale / 2, seed=seed)
    old = freeze_a_worker(stand)
    stand.gateway.stop()
    wait_until_stored(stand.dsn, stand.gateway)
    codes = {name: stand.supervisor.terminate(name) for name in (*WORKERS, "dispatch", "recorder")}
    frames = stand.setpoints.frames
    applied = assert_nothing_old_was_applied(stand.devices.told, frames)
    report(stand, kills, applied=applied, old=old, passed_s=time.time() - began_s)
    assert_store_is_the_ledger(stand.dsn, stand.gateway)
    assert setpoints_stored(stand.dsn) == sum(each.rows for written in frames.values() for each in written)
    assert {each.told.asset for each in applied} == stand.gateway.clocks
    assert kills.unexplained() == []
    assert codes == dict.fromkeys(codes, 0)
    assert max(kills.worker_gaps_s) < GAP_S
    if scale >= 1:
        assert percentile(kills.worker_gaps_s, 0.99) <= GAP_P99_S


def report(stand, kills, *, applied, old, passed_s) -> None:
    gaps_s, killed = kills.worker_gaps_s, dict(stand.supervisor.killed)
    print(
        f"in {passed_s:.0f} s killed: {killed}, broker {len(kills.broker_gaps_s)} times, database {kills.databases};"
        f" {stand.gateway.readings_acknowledged} readings of {len(stand.gateway.points)} points acknowledged\n"
        f"control gap after a worker's death: median {statistics.median(gaps_s):.2f} s,"
        f" p99 {percentile(gaps_s, 0.99):.2f} s, worst {max(gaps_s):.2f} s of {len(gaps_s)}\n"
        f"balanced again after the broker's death: worst {max(kills.broker_gaps_s):.2f} s\n"
        f"{len(applied)} setpoints reached the clocks, the oldest {max(each.age_s for each in applied):.2f} s after it"
        f" was issued or renewed (valid for {applied[0].valid_s:.0f} s);"
        f" a worker frozen for {FROZEN_S:.0f} s wrote {len(old)} old frames, none applied\n"
        f"roles that ended by themselves: {len(stand.supervisor.ended)}, unexplained {kills.unexplained()}"
    )
