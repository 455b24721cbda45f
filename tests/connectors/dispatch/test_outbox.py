import threading
from queue import Queue

from connectors.dispatch.outbox import READ_AT_ONCE, Delivery, FrameRef, Outbox, Reading
from connectors.dispatch.rules import DeviceWrite
from streams.messages import Epoch


class SlowDriver:
    """Takes every batch, when it is let."""

    def __init__(self) -> None:
        self.batches: Queue[dict[str, float]] = Queue()
        self.let = threading.Semaphore(0)
        self.closed = threading.Event()

    def write(self, writes):
        self.batches.put({write.asset_id: write.power_kw for write in writes})
        self.let.acquire(timeout=5)
        return {}

    def read(self, asset_ids):
        self.batches.put(dict.fromkeys(asset_ids))
        return {asset_id: f"as {asset_id} is" for asset_id in asset_ids[:1]}

    def close(self):
        self.closed.set()


def writes(**power_kw: float) -> list[DeviceWrite]:
    return [DeviceWrite(asset_id, value, 15.0) for asset_id, value in power_kw.items()]


def frame(sequence: int) -> FrameRef:
    return FrameRef(Epoch(1, 1, 1), sequence, 0)


def test_R20_while_a_device_hangs_only_the_newest_write_per_asset_waits():  # noqa: N802 - rules are numbered so
    driver, deliveries = SlowDriver(), Queue[Delivery]()
    outbox = Outbox("ring", driver=driver, on_delivery=deliveries.put, now_us=lambda: 7)
    outbox.put(writes(a=1), [frame(1)])
    assert driver.batches.get(timeout=5) == {"a": 1}
    for number in range(2, 500):
        outbox.put(writes(a=number, b=-number), [frame(number)])
    driver.let.release(2)
    assert driver.batches.get(timeout=5) == {"a": 499, "b": -499}
    assert deliveries.get(timeout=5) == Delivery("ring", ("a",), {}, (frame(1),), 7)
    second = deliveries.get(timeout=5)
    assert second.frames[-1] == frame(499)
    assert len(second.frames) == 100
    outbox.close(5)
    assert driver.closed.is_set()


def test_a_frame_without_writes_is_answered_after_the_batch_under_way():
    driver, deliveries = SlowDriver(), Queue[Delivery]()
    outbox = Outbox("ring", driver=driver, on_delivery=deliveries.put, now_us=lambda: 7)
    outbox.put(writes(a=1), [frame(1)])
    assert driver.batches.get(timeout=5) == {"a": 1}
    outbox.put([], [frame(2)])
    assert deliveries.empty()
    driver.let.release()
    assert [deliveries.get(timeout=5).frames for _ in range(2)] == [(frame(1),), (frame(2),)]
    outbox.close(5)


def test_devices_are_read_back_after_what_is_to_be_written_and_not_all_at_once():
    driver, deliveries = SlowDriver(), Queue[Delivery | Reading]()
    outbox = Outbox("ring", driver=driver, on_delivery=deliveries.put, now_us=lambda: 7)
    outbox.put(writes(a=1), [])
    assert driver.batches.get(timeout=5) == {"a": 1}
    names = tuple(f"dev-{number}" for number in range(READ_AT_ONCE + 1))
    outbox.ask(names)
    outbox.put(writes(a=2), [])
    driver.let.release(2)
    assert driver.batches.get(timeout=5) == {"a": 2}
    assert [len(driver.batches.get(timeout=5)) for _ in range(2)] == [READ_AT_ONCE, 1]
    assert [type(deliveries.get(timeout=5)) for _ in range(2)] == [Delivery, Delivery]
    assert deliveries.get(timeout=5) == Reading("ring", names[:-1], {"dev-0": "as dev-0 is"})
    outbox.close(5)
