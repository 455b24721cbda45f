"""Gateways and devices of a big park, as cheap as they can be: one frame per grid loop and second, any setpoint taken.

    python -m tests.bench.load HUB_DIR BOOTSTRAP DEVICE_PORT COMPRESSION

Frames are encoded once, in a few variants; instants and registers are filled in when one is sent. The load of all connections moves
together from second to second by a few kW, so that what the chargers may take changes in nearly every tick. Chargers
and heat pumps take next to nothing, so that whatever ceiling they are told they keep. Each gateway has its own moment
in the second; COMPRESSION is `gzip` or `none`. Ends at SIGTERM with one JSON line: frames sent, and how late at worst.
"""

import asyncio
import json
import signal
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from aiokafka import AIOKafkaProducer

from hub.folder import read_hub
from hub.model import Asset, AssetKind, Hub
from hub.tree import build_tree
from streams.codec import encode
from streams.messages import TelemetryFrame
from streams.topics import TELEMETRY, key_of, partition_of

VARIANTS = 5
STEP = 2
"""From one second's variant to the next: of five, neighbours in time differ by two or three."""

LOAD_KW = 15.0
SHIFT_KW = 3.0
"""Of every connection, from one variant to the next: half a kW per charger."""

POWER_KW = {AssetKind.CHARGER: 0.3, AssetKind.THERMAL_STORE: 0.3, AssetKind.PV: -4.0, AssetKind.BATTERY: 0.0}
NOISE_KW = 0.1
MEASURED, SENT, SEQUENCE = "1111111111111111", "2222222222222222", "3333333333"
SECOND_US = 1_000_000
LINE_BYTES = 2_000_000


@dataclass(frozen=True, slots=True)
class Template:
    """A frame of which instants, sequence and registers are left open, and the powers it shows [n_points]."""

    payload: bytes
    power_kw: np.ndarray


def templates(hub: Hub) -> dict[str, list[Template]]:
    """The frames of each gateway in all variants."""
    tree = build_tree(hub)
    assets = {asset.id: asset for asset in hub.assets}
    nodes = [point for ids in tree.meters.values() for point in ids if point not in assets]
    below = {node: tree.connections_below(node) for node in nodes}
    behind_kw = {
        connection.ean: LOAD_KW + sum(POWER_KW[asset.kind] for asset in tree.assets.get(connection.ean, ()))
        for connection in hub.connections
    }
    rng = np.random.default_rng(0)
    frames: dict[str, list[Template]] = {gateway: [] for gateway in tree.meters}
    for variant in range(VARIANTS):
        here_kw = {ean: kw + variant * SHIFT_KW + rng.uniform(-1, 1) for ean, kw in behind_kw.items()}
        power_kw = {node: sum(here_kw[ean] for ean in eans) for node, eans in below.items()}
        power_kw |= {asset.id: POWER_KW[asset.kind] + rng.uniform(-NOISE_KW, NOISE_KW) for asset in hub.assets}
        for gateway, ids in tree.meters.items():
            shown_kw = np.array([power_kw[point] for point in ids]).round(3)
            frames[gateway].append(Template(encode(_frame(ids, power_kw, assets)), shown_kw))
    return frames


def _frame(ids: Sequence[str], power_kw: Mapping[str, float], assets: Mapping[str, Asset]) -> TelemetryFrame:
    devices = [assets.get(point) for point in ids]
    roof_kw = [power_kw[one.id] if one is not None and one.kind is AssetKind.PV else None for one in devices]
    return TelemetryFrame(
        gateway="bench",
        sequence=int(SEQUENCE),
        sent_at_us=int(SENT),
        ids=list(ids),
        measured_at_us=[int(MEASURED)] * len(ids),
        power_kw=[round(power_kw[point], 3) for point in ids],
        min_kw=[
            None if one is None else one.min_kw if kw is None else round(kw, 3)
            for one, kw in zip(devices, roof_kw, strict=True)
        ],
        max_kw=[None if one is None else one.max_kw for one in devices],
        soc_ratio=[0.5 if one is not None and one.kind is AssetKind.BATTERY else None for one in devices],
        quality=["good"] * len(ids),
    )


async def send_forever(hub: Hub, bootstrap: str, *, compression: str | None, late_us: deque[int]) -> None:
    """What is late is sent late and counted; a gateway does not skip."""
    frames = templates(hub)
    registers = {gateway: Registers(len(variants[0].power_kw)) for gateway, variants in frames.items()}
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, compression_type=compression)
    await producer.start()
    try:
        second = now_us() // SECOND_US + 1
        while True:
            for at, (gateway, variants) in enumerate(frames.items()):
                due_us = second * SECOND_US + at * SECOND_US // len(frames)
                await asyncio.sleep(max(due_us - now_us(), 0) / 1e6)
                late_us.append(now_us() - due_us)
                template, key = variants[second * STEP % VARIANTS], key_of(hub.id, gateway)
                payload = filled(template, second=second, at_us=now_us(), registers=registers[gateway])
                await producer.send(TELEMETRY.name, payload, key=key, partition=partition_of(key))
            second += 1
    finally:
        await producer.stop()


class Registers:
    """A+ and A- of all points of a gateway, which go on with the power that it shows."""

    def __init__(self, n_points: int) -> None:
        self._wh = np.random.default_rng(0).integers(10_000_000, 99_999_999, (2, n_points)).astype(np.float64)
        self._at_us: int | None = None

    def read(self, power_kw: np.ndarray, *, at_us: int) -> list[bytes]:
        """Both columns as JSON, after this power since the last reading."""
        passed_us = 0 if self._at_us is None else at_us - self._at_us
        self._wh += np.maximum([power_kw, -power_kw], 0.0) * passed_us / 3.6e6
        self._at_us = at_us
        return [msgspec.json.encode(side) for side in self._wh.astype(np.int64).tolist()]


def filled(template: Template, *, second: int, at_us: int, registers: Registers) -> bytes:
    now = str(at_us).encode()
    import_wh, export_wh = registers.read(template.power_kw, at_us=at_us)
    return (
        template.payload.replace(SENT.encode(), now)
        .replace(MEASURED.encode(), now)
        .replace(SEQUENCE.encode(), str(second).encode())
        .replace(b'"energy_import_wh":[]', b'"energy_import_wh":' + import_wh)
        .replace(b'"energy_export_wh":[]', b'"energy_export_wh":' + export_wh)
    )


async def take_setpoints(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Every device takes whatever it is told; of a batch only its number is read."""
    try:
        while line := await reader.readline():
            batch_id = line[: line.index(b",")].removeprefix(b'{"id":')
            writer.write(b'{"id":' + batch_id + b"}\n")
    except asyncio.CancelledError:
        pass  # the process ends; asyncio would print it for each conversation
    finally:
        writer.close()


async def main(hub_dir: str, bootstrap: str, device_port: str, compression: str) -> None:
    hub, late_us = read_hub(Path(hub_dir)), deque[int](maxlen=100_000)
    server = await asyncio.start_server(take_setpoints, "127.0.0.1", int(device_port), limit=LINE_BYTES)
    codec = None if compression == "none" else compression
    sending = asyncio.ensure_future(send_forever(hub, bootstrap, compression=codec, late_us=late_us))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, sending.cancel)
    try:
        await sending
    except asyncio.CancelledError:
        print(json.dumps({"frames": len(late_us), "latest_ms": round(max(late_us, default=0) / 1000, 1)}), flush=True)
    finally:
        server.close()


def now_us() -> int:
    return time.time_ns() // 1000


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
