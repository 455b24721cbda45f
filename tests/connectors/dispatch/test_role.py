"""Dispatch on a real broker, with simulated devices behind a real link."""

import signal
import subprocess
import sys
import time
import uuid
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from kafka import KafkaConsumer, TopicPartition

from connectors.dispatch import role
from connectors.dispatch.reversion import RETURN_HOLD_S
from connectors.operator_commands import revert_grid_loop
from connectors.simulator.device_server import DevicePanel, DeviceServer
from connectors.topic_admin import ensure_topics
from connectors.watchdog.speaker import Speaker
from infra.services import embedded_kafka
from infra.settings import Settings, as_environment
from streams.codec import decode_condition
from streams.limit_changes import Person
from streams.messages import Outcome, Refusal
from streams.topics import CONDITION
from tests.connectors.dispatch.worker_double import Worker, eventually, running
from tests.faults.tcp_proxy import Link

pytestmark = pytest.mark.services

ASSETS = {"bat-3": 0, "bat-4": 1}
"""The batteries of lus-3."""


@pytest.fixture
def hub(de_koumen):
    """De Koumen under a name of its own, so that tests share topics and not messages."""
    return replace(de_koumen, id=f"park-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def bootstrap(kafka):
    ensure_topics(kafka.bootstrap)
    return kafka.bootstrap


@pytest.fixture
def panel():
    return DevicePanel(ASSETS, np.zeros(2))


@pytest.fixture
def devices(panel):
    server = DeviceServer("127.0.0.1", 0, panel)
    yield server
    server.close()


def settings_for(bootstrap: str, folder: Path, port: int) -> Settings:
    return Settings(kafka_bootstrap=bootstrap, data_dir=str(folder), simulator_port=port)


def obeyed(panel) -> list[float]:
    return panel.obeyed_kw()[0].tolist()


def write_until(worker, sequence: int, holds, **frame) -> int:
    """Write a full frame every half second until something holds; the last sequence."""
    for number in range(sequence, sequence + 60):
        worker.full(number, **frame)
        if eventually(holds, 0.5):
            return number
    raise AssertionError("it never held")


def test_a_setpoint_reaches_the_device_and_the_answer_says_how_fast(bootstrap, hub, panel, devices, tmp_path):
    with Worker(bootstrap, hub.id, "lus-3") as worker:
        with running(role.run, settings_for(bootstrap, tmp_path, devices.port), hub):
            write_until(worker, 1, lambda: obeyed(panel) == [20, -30], bat_3=20, bat_4=-30)
            # The devices left failsafe one by one (R12); from now on a change is told at once.
            worker.full(100, bat_3=21, bat_4=-30)
            answer = worker.answered(lambda answer: answer.sequence == 100)
            assert answer is not None
            assert (answer.outcome, obeyed(panel)) == (Outcome.ACCEPTED, [21, -30])
            print(f"from issue to device {answer.latency_ms:.1f} ms")
            assert 0 < answer.latency_ms < 1_000
            worker.full(101, valid_s=0, bat_3=99, bat_4=99)
            refused = worker.answered(lambda answer: answer.sequence == 101)
            assert (refused.outcome, refused.refusal) == (Outcome.REFUSED, Refusal.NO_DURATION)
        assert obeyed(panel) == [21, -30]


def test_R17_R18_an_operators_revert_is_obeyed_and_devices_return_in_turn(bootstrap, hub, panel, devices, tmp_path):  # noqa: N802
    speaker = Speaker(bootstrap=bootstrap)
    with (
        Worker(bootstrap, hub.id, "lus-3") as worker,
        running(role.run, settings_for(bootstrap, tmp_path, devices.port), quick(hub)),
    ):
        last = write_until(worker, 1, lambda: obeyed(panel) == [20, 10], bat_3=20, bat_4=10)
        revert_grid_loop(speaker, hub.id, "lus-3", person=Person("els"), why="smoke")
        answer = worker.answered(lambda answer: answer.outcome == Outcome.REVERTED)
        assert answer.detail == "operator els: smoke"
        assert {"bat-3", "bat-4"} <= set(answer.ids)
        assert eventually(lambda: obeyed(panel) == [0, 0])
        began_s = time.monotonic()
        write_until(worker, last + 1, lambda: obeyed(panel) == [15, 5], bat_3=15, bat_4=5)
        print(f"back {time.monotonic() - began_s:.1f} s after the first new setpoint, hold time included")
        assert time.monotonic() - began_s >= RETURN_HOLD_S
    speaker.close()


PROGRAM = """
import threading
from dataclasses import replace
from pathlib import Path
import os, sys
from connectors.dispatch.role import run
from hub.folder import read_hub
from infra.settings import load_settings
settings = load_settings(os.environ)
run(settings, replace(read_hub(Path(settings.hub_dir)), id=sys.argv[1]), threading.Event())
"""


def start_process(settings: Settings, hub) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", PROGRAM, hub.id], env=as_environment(settings))


def test_R8_R9_killed_and_restarted_it_refuses_the_old_writer_and_the_backlog(  # noqa: N802 - rules are numbered so
    bootstrap, hub, panel, devices, tmp_path
):
    hub_dir = str(Path(role.__file__).parents[2] / "infra" / "hubs" / "de-koumen")
    settings = Settings(kafka_bootstrap=bootstrap, data_dir=str(tmp_path), simulator_port=devices.port, hub_dir=hub_dir)
    with Worker(bootstrap, hub.id, "lus-3") as worker:
        process = start_process(settings, hub)
        last = write_until(worker, 1, lambda: obeyed(panel) == [20, 0], epoch=2, bat_3=20, bat_4=0)
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=10)
        worker.full(last + 1, epoch=2, bat_3=33, bat_4=33)  # backlog: nobody listens
        process = start_process(settings, hub)
        try:
            old = next_answer(worker, 1_000, epoch=1)
            assert (old.refusal, obeyed(panel)) == (Refusal.LOWER_EPOCH, [20, 0])
            worker.full(last, epoch=2, bat_3=44, bat_4=44)
            again = worker.answered(lambda answer: answer.sequence == last and answer.outcome == Outcome.REFUSED)
            assert again.refusal == Refusal.NOT_NEWER
            worker.full(last + 2, epoch=2, bat_3=22, bat_4=0)
            assert worker.answered(lambda answer: answer.sequence == last + 2).outcome == Outcome.ACCEPTED
            assert obeyed(panel) == [22, 0]
        finally:
            process.terminate()
            process.wait(timeout=10)


def next_answer(worker, sequence: int, *, epoch: int):
    """Write frames of an old writer until one is answered: until the restarted process listens, none is."""
    for number in range(sequence, sequence + 60):
        worker.full(number, epoch=epoch, bat_3=99, bat_4=99)
        worker._poll()
        found = [answer for answer in worker.answers if answer.sequence >= sequence]
        if found:
            return found[0]
        time.sleep(0.2)
    raise AssertionError("never answered")


def test_a_cut_device_link_is_reported_and_a_restored_one_gets_the_newest_setpoints(
    bootstrap, hub, panel, devices, tmp_path
):
    wire = Link(devices.port)
    settings = settings_for(bootstrap, tmp_path, wire.port)
    with Worker(bootstrap, hub.id, "lus-3") as worker, running(role.run, settings, hub):
        last = write_until(worker, 1, lambda: obeyed(panel) == [20, 10], bat_3=20, bat_4=10)
        wire.cut()
        worker.full(last + 1, bat_3=25, bat_4=10)
        # bat-4 may fail first, where its lease was just being renewed
        assert worker.answered(lambda answer: answer.outcome == Outcome.DEVICE_FAILED and "bat-3" in answer.ids)
        assert obeyed(panel) == [20, 10]
        worker.full(last + 2, bat_3=26, bat_4=11)
        wire.join()
        assert eventually(lambda: obeyed(panel) == [26, 11])
    wire.close()


def quick(hub):
    """The hub with devices ten times as quick, so that the stages of a reversion pass in seconds."""
    return replace(hub, assets=tuple(replace(asset, ramp_kw_per_s=asset.ramp_kw_per_s * 10) for asset in hub.assets))


def test_R3_leases_end_while_the_broker_is_gone_and_frames_are_taken_again_when_it_is_back(  # noqa: N802
    hub, panel, devices, tmp_path
):
    with embedded_kafka(tmp_path / "broker") as broker:
        ensure_topics(broker.bootstrap)
        settings = settings_for(broker.bootstrap, tmp_path / "dispatch", devices.port)
        with Worker(broker.bootstrap, hub.id, "lus-3") as worker, running(role.run, settings, quick(hub)):
            last = write_until(worker, 1, lambda: obeyed(panel) == [20, 10], valid_s=2, bat_3=20, bat_4=10)
            broker.kill()
            assert eventually(lambda: obeyed(panel) == [0, 0])
            broker.restart()
            began_s = time.monotonic()
            write_until(worker, last + 1, lambda: obeyed(panel) == [15, 5], bat_3=15, bat_4=5)
            print(f"back {time.monotonic() - began_s:.1f} s after the broker, hold time included")


@contextmanager
def conditions_of(bootstrap, hub):
    """A function that reads the conditions of a hub that came since the last call, by id."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=None)
    consumer.assign([TopicPartition(CONDITION.name, number) for number in range(CONDITION.partitions)])
    consumer.seek_to_end()
    for partition in consumer.assignment():
        consumer.position(partition)

    def read():
        records = [record for some in consumer.poll(timeout_ms=100).values() for record in some]
        found = [decode_condition(record.value) for record in records if record.key.startswith(hub.id.encode())]
        return {condition.id: condition for condition in found}

    yield read
    consumer.close(autocommit=False)


def test_R15_R16_what_devices_show_reaches_the_log_and_ends_after_a_restart(bootstrap, hub, tmp_path):  # noqa: N802
    ranges = {asset.id: (asset.min_kw, asset.max_kw) for asset in hub.assets if asset.id in ASSETS}
    own_kw = (np.array([-30.0, ranges["bat-4"][0]]), np.array([25.0, ranges["bat-4"][1]]))
    panel = DevicePanel(ASSETS, np.zeros(2), own_kw=own_kw)
    panel.show(np.array([3.5, 0.0]))
    server, seen, numbers = DeviceServer("127.0.0.1", 0, panel), {}, count(1)
    settings = settings_for(bootstrap, tmp_path, server.port)

    def write_until_said(*names, lagging):
        for _ in range(60):
            worker.full(next(numbers), bat_3=40, bat_4=10, lagging=lagging)
            seen.update(read())
            if all(name in seen for name in names):
                return
            time.sleep(0.4)
        raise AssertionError(f"said were {sorted(seen)}")

    with conditions_of(bootstrap, hub) as read, Worker(bootstrap, hub.id, "lus-3") as worker:
        with running(role.run, settings, hub):
            write_until_said("range_differs/bat-3", "not_following/bat-3", lagging=("bat-3",))
        told = {"told_kw": 25, "shown_kw": 3.5, "shown_setpoint_kw": 25}
        assert {name: (one.phase, one.role) for name, one in seen.items()} == dict.fromkeys(seen, ("seen", "dispatch"))
        assert seen["not_following/bat-3"].figures == told  # cut to the device's own limit
        assert "range_differs/bat-4" not in seen
        seen.clear()
        with running(role.run, settings, hub):
            write_until_said("not_following/bat-3", lagging=())
        assert seen["not_following/bat-3"].phase == "gone"
    server.close()
