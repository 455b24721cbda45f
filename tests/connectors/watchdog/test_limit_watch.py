"""The watchdog on a real broker, with meters that tell of a load that trips and of a limit that somebody sets (R19)."""

import threading
import time
import uuid
from dataclasses import replace

import pytest
from kafka import KafkaProducer

from connectors.operator_commands import OperatorCommands
from connectors.topic_admin import ensure_topics
from connectors.watchdog import role
from hub.folder import read_hub
from hub.tree import build_tree
from infra.settings import Settings
from streams.codec import decode_condition, encode
from streams.guard_messages import ConditionPhase
from streams.limit_messages import LimitBlock, LimitTerms
from streams.messages import TelemetryFrame
from streams.topics import CONDITION, TELEMETRY, key_of, partition_of
from streams.two_people import Person
from tests.connectors.dispatch.worker_double import eventually, free_port, running
from tests.connectors.watchdog.test_role import page
from tests.faults.park import DE_KOUMEN, Listener

pytestmark = pytest.mark.services

LOOP, ARM = "lus-1", "lus-1/a"
IN_TIME_S = 3.0


@pytest.fixture
def hub():
    return replace(read_hub(DE_KOUMEN), id=f"park-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def bootstrap(kafka):
    ensure_topics(kafka.bootstrap)
    return kafka.bootstrap


class Gateway:
    """Tells each second that arm a carries `arm_kw` and everything else nothing."""

    def __init__(self, bootstrap, hub):
        self.arm_kw, self.ids, self.key = 100.0, list(build_tree(hub).meters[LOOP]), key_of(hub.id, LOOP)
        self._producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(10)
        self._producer.close(10)

    def _run(self):
        while not self._stop.wait(1.0 - time.time() % 1.0):
            at_us = time.time_ns() // 1000
            frame = TelemetryFrame(
                gateway="gw", sequence=at_us // 1_000_000, sent_at_us=at_us, ids=self.ids,
                measured_at_us=[at_us] * len(self.ids),
                power_kw=[self.arm_kw if each == ARM else 0.0 for each in self.ids],
            )  # fmt: skip
            self._producer.send(TELEMETRY.name, encode(frame), key=self.key, partition=partition_of(self.key))


def wait_for(listener, condition_id, phase):
    """The newest word on a condition, once it is that; with the broker's time of it."""
    found = []

    def there():
        said = [(heard.at_s, decode_condition(heard.value)) for heard in listener.so_far(CONDITION)]
        found[:] = [each for each in said if each[1].id == condition_id][-1:]
        return bool(found) and found[0][1].phase == phase

    assert eventually(there), f"{condition_id}: {found}"
    return found[0]


def test_R19_a_load_that_trips_is_said_within_3_s_and_its_end_too(bootstrap, hub, tmp_path):  # noqa: N802
    port, listener = free_port(), Listener(bootstrap, hub.id, CONDITION)
    settings = Settings(kafka_bootstrap=bootstrap, data_dir=str(tmp_path), http_port=port)
    trips = f"limit_breached/{LOOP}/export/instant"
    with running(role.run, settings, hub), Gateway(bootstrap, hub) as gateway:
        assert eventually(lambda: page(port, "readyz")[0] == 200)
        wait_for(listener, trips, ConditionPhase.GONE)
        gateway.arm_kw, tripped_s = -500.0, time.time()
        seen_s, seen = wait_for(listener, trips, ConditionPhase.SEEN)
        assert 'limit_conditions{grid_loop="lus-1",kind="limit_breached"} ' in page(port, "metrics")[1]
        gateway.arm_kw, mended_s = 0.0, time.time()
        gone_s, _ = wait_for(listener, trips, ConditionPhase.GONE)
        print(f"seen {seen_s - tripped_s:.2f} s after the trip, gone {gone_s - mended_s:.2f} s after its end")
        assert (seen.role, seen.subject, seen.figures["over_kw"]) == ("watchdog", LOOP, 500 - 275)
        assert seen_s - tripped_s <= IN_TIME_S

        capped = f"limit_breached/{ARM}/import/instant"
        gateway.arm_kw = 90.0
        cap_arm(bootstrap, hub, import_kw=50.0)
        capped_s = time.time()
        seen_s, seen = wait_for(listener, capped, ConditionPhase.SEEN)
        print(f"seen {seen_s - capped_s:.2f} s after somebody set a limit below what flows")
        assert "operator" in seen.text


def cap_arm(bootstrap, hub, *, import_kw):
    now_us = time.time_ns() // 1000
    terms = LimitTerms(
        layer="operator", judged="instant", blocks=[LimitBlock(import_kw=import_kw)], from_us=now_us, source="work",
        who="els", why="work on the cable", stated_us=now_us,
    )  # fmt: skip
    with OperatorCommands(bootstrap, hub, Person("els")) as commands:
        commands.set_limit(ARM, "work", terms)
