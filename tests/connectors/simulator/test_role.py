"""The simulated park on a real broker: what it publishes, and that its devices can be told."""

import threading
import time
import uuid
from contextlib import contextmanager
from dataclasses import replace

import pytest
from kafka import KafkaConsumer, TopicPartition

from connectors.dispatch.rules import DeviceWrite
from connectors.dispatch.simulator_driver import SimulatorDriver
from connectors.simulator import role
from connectors.simulator.ledger import FILE_NAME, read_page
from connectors.topic_admin import ensure_topics
from hub.model import STATION
from infra.settings import Settings
from streams.codec import decode_telemetry
from streams.topics import TELEMETRY, key_of, partition_of
from tests.connectors.dispatch.worker_double import free_port
from tests.connectors.simulator.park_words import DE_KOUMEN

pytestmark = pytest.mark.services


@pytest.fixture
def bootstrap(kafka):
    ensure_topics(kafka.bootstrap)
    return kafka.bootstrap


@pytest.fixture
def hub(de_koumen):
    """De Koumen under a name of its own, so that tests share topics and not messages."""
    return replace(de_koumen, id=f"park-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def settings(bootstrap, tmp_path):
    return Settings(
        kafka_bootstrap=bootstrap, data_dir=str(tmp_path), simulator_port=free_port(), hub_dir=str(DE_KOUMEN)
    )


@contextmanager
def simulating(settings, hub):
    stop = threading.Event()
    thread = threading.Thread(target=role.run, args=(settings, hub, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=20)
        assert not thread.is_alive()


class Reader:
    """All telemetry of one hub, with the partition each frame came from."""

    def __init__(self, bootstrap, hub):
        self._keys = {key_of(hub.id, name): name for name in (*(loop.id for loop in hub.grid_loops), STATION)}
        self._consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=None)
        partitions = [TopicPartition(TELEMETRY.name, number) for number in range(TELEMETRY.partitions)]
        self._consumer.assign(partitions)
        self._consumer.seek_to_beginning()
        self.frames = []

    def read(self, holds, patience_s=20.0):
        until_s = time.monotonic() + patience_s
        while not holds(self.frames) and time.monotonic() < until_s:
            for records in self._consumer.poll(timeout_ms=100).values():
                for record in records:
                    if name := self._keys.get(record.key):
                        assert record.partition == partition_of(record.key)
                        self.frames.append((name, decode_telemetry(record.value)))
        assert holds(self.frames)
        return self.frames

    def close(self):
        self._consumer.close(autocommit=False)


@pytest.fixture
def reader(bootstrap, hub):
    made = Reader(bootstrap, hub)
    yield made
    made.close()


def of(frames, grid_loop):
    return [frame for name, frame in frames if name == grid_loop]


def power_kw(frame, asset_id):
    return frame.power_kw[frame.ids.index(asset_id)]


def test_each_gateway_sends_one_frame_a_second_and_the_ledger_counts_what_arrived(settings, hub, reader, tmp_path):
    with simulating(settings, hub):
        reader.read(lambda frames: len(of(frames, STATION)) >= 4)
    page = read_page(tmp_path / FILE_NAME)
    frames = reader.read(lambda frames: sum(len(frame.ids) for _, frame in frames) == page.readings_acknowledged)
    assert page.readings_acknowledged == page.readings_produced
    for name in (*(grid_loop.id for grid_loop in hub.grid_loops), STATION):
        own = of(frames, name)
        instants_us = [frame.measured_at_us[0] for frame in own]
        assert [frame.sequence for frame in own] == list(range(1, len(own) + 1))
        assert all(at_us % 1_000_000 == 0 for at_us in instants_us)
        assert instants_us == sorted(set(instants_us))
    last = of(frames, STATION)[-1]
    park = page.nodes["park"].quarters
    assert sum(quarter.import_wh for quarter in park) == last.energy_import_wh[0]
    assert sum(quarter.export_wh for quarter in park) == last.energy_export_wh[0]


def test_a_told_battery_charges_and_its_meters_show_it(settings, hub, reader):
    driver = SimulatorDriver(settings.simulator_host, settings.simulator_port)
    with simulating(settings, hub):
        reader.read(lambda frames: len(frames) > 0)
        assert driver.write([DeviceWrite("bat-5", 90.0, 15.0)]) == {}
        frames = reader.read(lambda frames: any(power_kw(frame, "bat-5") == 90 for frame in of(frames, "lus-4")))
    driver.close()
    before, after = of(frames, "lus-4")[0], of(frames, "lus-4")[-1]
    battery = next(asset for asset in hub.assets if asset.id == "bat-5")
    assert power_kw(before, "bat-5") == 0
    assert power_kw(after, battery.ean) > power_kw(before, battery.ean) + 60


def test_registers_never_go_back_over_a_restart(settings, hub, reader):
    for frames_wanted in (3, 6):
        with simulating(settings, hub):
            reader.read(lambda frames, wanted=frames_wanted: len(of(frames, STATION)) >= wanted)
    registers_wh = [frame.energy_export_wh[0] + frame.energy_import_wh[0] for frame in of(reader.frames, STATION)]
    assert registers_wh == sorted(registers_wh)
    assert registers_wh[-1] > 0
