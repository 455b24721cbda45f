"""A hundred thousand broken frames through a real broker into a real worker, between the good ones of every second."""

import random
import re
import time
from collections import Counter
from urllib.request import urlopen

import msgspec
import pytest
from kafka import KafkaProducer

from streams.codec import decode_state, decode_telemetry, encode
from streams.topics import LOOP_STATE, TELEMETRY, dead_letter, key_of, partition_of
from tests.connectors.dispatch.worker_double import free_port
from tests.faults.park import Listener, now_us
from tests.soak.test_mutated_messages import judged
from tests.streams.mutations import mutate

pytestmark = [pytest.mark.services, pytest.mark.soak]

SENT = 100_000
"""By the full soak."""
MOST_BYTES = 20_000
"""Of one: the deepest nests would fill the broker's disk and show nothing else."""
LETTERS = dead_letter(TELEMETRY)
COUNTED = re.compile(
    r'^lusbalans_worker_dead_letters_total\{(?=[^}]*topic="hub\.telemetry\.v1")[^}]*reason="(\w+)"[^}]*\} (\S+)$',
    re.MULTILINE,
)


def broken_frames(gateway, count: int):
    """Loop and payload of frames that must be refused as a whole; small ones, made of the loop's own readings."""
    chance, loops, number = random.Random(100), sorted(gateway.tree.meters), 0
    good = {loop: encode(some_rows(gateway.frame(loop, now_us() // 1_000_000 * 1_000_000))) for loop in loops}
    while count:
        loop, number = loops[number % len(loops)], number + 1
        payload = mutate(good[loop], number, chance)
        if len(payload) <= MOST_BYTES and judged(decode_telemetry, payload).startswith("rejected"):
            count -= 1
            yield loop, payload


def some_rows(frame, count: int = 4):
    return msgspec.structs.replace(
        frame,
        **{
            name: column[:count]
            for name, column in msgspec.structs.asdict(frame).items()
            if isinstance(column, list) and name != "quality"
        },
    )


def counted_by_worker(port: int) -> Counter[str]:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return Counter({reason: int(float(count)) for reason, count in COUNTED.findall(answer.read().decode())})


def test_broken_frames_are_all_counted_and_kept_and_the_good_ones_between_them_folded(stand, scale, monkeypatch):
    port = free_port()
    monkeypatch.setenv("LUSBALANS_HTTP_PORT", str(port))
    worker, gateway = stand.supervisor.start("worker"), stand.gateway
    stand.until_balanced(time.time())
    sent = list(broken_frames(gateway, round(SENT * scale)))
    began_s = time.time()
    producer = KafkaProducer(bootstrap_servers=stand.broker.bootstrap, acks="all", linger_ms=5)
    for loop, payload in sent:
        key = key_of(gateway.hub.id, loop)
        producer.send(TELEMETRY.name, payload, key=key, partition=partition_of(key))
    producer.flush(60)
    producer.close()
    listener = Listener(stand.broker.bootstrap, gateway.hub.id, LETTERS, LOOP_STATE)
    letters = listener.wait(LETTERS, lambda kept: len(kept) >= len(sent), within_s=60 + len(sent) / 100)
    took_s = time.time() - began_s
    stand.until_balanced(time.time())
    counted = counted_by_worker(port)
    print(f"{len(sent)} broken frames refused and kept in {took_s:.1f} s, {len(sent) / took_s:.0f} a second")
    print(*(f"  {reason}: {count}" for reason, count in sorted(counted.items())), sep="\n")
    assert sorted(letter.value for letter in letters) == sorted(payload for _, payload in sent)
    assert counted == Counter(letter.headers["reason"] for letter in letters)
    assert worker.poll() is None
    assert stand.supervisor.ended == []
    assert_folded(listener, gateway, until_s=began_s + took_s)
    listener.close()


def assert_folded(listener, gateway, *, until_s: float) -> None:
    """The newest state of every loop rests on readings after the flood, and says what the gateway says."""
    newest = {state.grid_loop: state for state in (decode_state(each.value) for each in listener.so_far(LOOP_STATE))}
    assert set(newest) == set(gateway.tree.meters)
    for state in newest.values():
        assert state.folded_until_us / 1e6 > until_s - 2
        for node, power_kw in zip(state.nodes.ids, state.nodes.power_kw, strict=True):
            assert power_kw == pytest.approx(gateway.expected_kw(node), abs=0.001), node
