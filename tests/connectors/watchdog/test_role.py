"""The watchdog on a real broker, with somebody who decides, falls silent and comes back."""

import json
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from kafka import KafkaProducer

from connectors.topic_admin import ensure_topics
from connectors.watchdog import role
from hub.model import PARK
from infra.services import embedded_kafka
from infra.settings import Settings
from streams.codec import decode_condition, decode_revert, encode
from streams.guard_messages import RevertBy
from streams.messages import Epoch, LoopState, NodeStates, SetpointFrame
from streams.signature import Keyring, read_keyring
from streams.topics import CONDITION, LOOP_STATE, REVERT, SETPOINT, key_of, partition_of
from tests.connectors.dispatch.worker_double import eventually, free_port, running
from tests.faults.park import Listener
from tests.streams.small_park import small_hub

pytestmark = pytest.mark.services

KEYS = "ours:" + 32 * "3c"
REVERT_S = 2.0
NODES = NodeStates(**{name: [] for name in NodeStates.__struct_fields__})


@pytest.fixture
def hub():
    """A park of one grid loop, under a name of its own."""
    whole = small_hub()
    grid_loop = whole.grid_loops[0]
    connections = tuple(each for each in whole.connections if each.grid_loop == grid_loop.id)
    eans = {each.ean for each in connections}
    nodes = {PARK, *(section.id for section in grid_loop.sections), *eans}
    return replace(
        whole,
        id=f"park-{uuid.uuid4().hex[:8]}",
        grid_loops=(grid_loop,),
        connections=connections,
        assets=tuple(each for each in whole.assets if each.ean in eans),
        limits=tuple(each for each in whole.limits if each.node in nodes),
    )


@pytest.fixture
def bootstrap(kafka):
    ensure_topics(kafka.bootstrap)
    return kafka.bootstrap


class Decider:
    """Writes a frame and a state for each tick of a fifth of a second."""

    def __init__(self, bootstrap, hub, *, keyring=None):
        self.grid_loop, self.key = hub.grid_loops[0].id, key_of(hub.id, hub.grid_loops[0].id)
        self.keyring = keyring or Keyring()
        self._producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", reconnect_backoff_max_ms=200)
        self._tick = 0

    def decide(self, for_s, *, epoch=1):
        until_s = time.monotonic() + for_s
        while time.monotonic() < until_s:
            self._tick += 1
            at_us = time.time_ns() // 1000
            common = {
                "grid_loop": self.grid_loop, "epoch": Epoch(1, epoch, 0), "tick": self._tick, "folded_until_us": at_us,
            }  # fmt: skip
            self._write(SETPOINT, SetpointFrame(
                **common, sequence=self._tick, issued_at_us=at_us, valid_for_ms=10_000, full=True
            ))  # fmt: skip
            self._write(LOOP_STATE, LoopState(**common, at_us=at_us, nodes=NODES, missed_ticks=0))
            time.sleep(0.2)

    def _write(self, topic, message):
        payload = encode(message)
        headers = self.keyring.sign(topic=topic.name, key=self.key, payload=payload)
        partition = partition_of(self.key)
        self._producer.send(topic.name, payload, key=self.key, partition=partition, headers=list(headers))


def settings_for(bootstrap, folder: Path, **more) -> Settings:
    return Settings(kafka_bootstrap=bootstrap, data_dir=str(folder), watchdog_revert_s=REVERT_S, **more)


def reverts(listener):
    return [decode_revert(heard.value) for heard in listener.so_far(REVERT)]


def conditions(listener):
    """How often each was seen and gone."""
    said = [decode_condition(heard.value) for heard in listener.so_far(CONDITION)]
    return Counter(f"{each.phase} {each.kind}" for each in said)


def test_R17_a_loop_that_falls_silent_is_reverted_once_and_released_when_decisions_come(bootstrap, hub, tmp_path):  # noqa: N802
    port = free_port()
    decider, listener = Decider(bootstrap, hub), Listener(bootstrap, hub.id, REVERT, CONDITION)
    with running(role.run, settings_for(bootstrap, tmp_path, http_port=port), hub):
        assert eventually(lambda: page(port, "readyz")[0] == 200)
        decider.decide(3.0)
        silent_s = time.time()
        (heard,) = listener.wait(REVERT, lambda messages: messages, within_s=20)
        revert = decode_revert(heard.value)
        print(f"reverted {heard.at_s - silent_s:.2f} s after the last decision")
        assert (revert.grid_loop, revert.by) == (decider.grid_loop, RevertBy.WATCHDOG)
        assert "no new decision" in revert.why
        time.sleep(3)
        assert len(reverts(listener)) == 1
        assert conditions(listener)["gone controller_silent"] == 1  # what it says of a loop that is well, once
        decider.decide(2.0, epoch=2)
        assert eventually(lambda: conditions(listener)["gone reverted"] == 2)
        assert conditions(listener)["seen controller_silent"] == 1
        assert 'lusbalans_watchdog_reverts_total{grid_loop="north"} 1.0' in page(port, "metrics")[1]
        assert len(reverts(listener)) == 1


def page(port, name):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{name}", timeout=2) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())
    except OSError as error:
        return 0, str(error)


def test_R17_a_broker_that_was_away_for_longer_is_no_silence(hub, tmp_path):  # noqa: N802
    with embedded_kafka(tmp_path / "broker") as broker:
        ensure_topics(broker.bootstrap)
        decider = Decider(broker.bootstrap, hub)
        listener = Listener(broker.bootstrap, hub.id, REVERT, CONDITION)
        with running(role.run, settings_for(broker.bootstrap, tmp_path), hub):
            time.sleep(2)
            decider.decide(2.0)
            away_s = time.monotonic()
            broker.kill()
            time.sleep(2 * REVERT_S)
            broker.restart()
            print(f"broker away for {time.monotonic() - away_s:.1f} s, borne are {REVERT_S} s")
            decider.decide(4.0)
            assert reverts(listener) == []
            assert listener.wait(REVERT, lambda messages: messages, within_s=20)


def test_with_keys_the_revert_is_signed_and_what_is_unsigned_is_no_sign_of_life(bootstrap, hub, tmp_path):
    ring = read_keyring(KEYS)
    signs, forges = Decider(bootstrap, hub, keyring=ring), Decider(bootstrap, hub)
    listener = Listener(bootstrap, hub.id, REVERT)
    with running(role.run, settings_for(bootstrap, tmp_path, signing_keys=KEYS), hub):
        time.sleep(2)
        signs.decide(2.0)
        forges.decide(2 * REVERT_S, epoch=9)
        (heard,) = listener.wait(REVERT, lambda messages: messages, within_s=20)
    headers = [(name, value.encode()) for name, value in heard.headers.items()]
    assert ring.refuse(headers, topic=REVERT.name, key=signs.key, payload=heard.value) is None
