"""How fast the simulation is: a year of quarters with a thousand assets as a command, and seconds of De Koumen.

The year is whole: an interpreter that starts, profiles of 400 columns read from CSV, 146,000 charging sessions, the
summary as JSON. The kernel's cache is warm, as after the first run on a machine.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from connectors.simulation.instants import as_utc, instant_us
from hub.folder import read_hub
from hub.model import AssetKind, Hub
from tests.bench.big_hub import write_big_hub
from tests.bench.figure import Figure

N_ASSETS = 1_000
DAYS = 365
QUARTERS_A_DAY = 96
DAY_US = 86_400_000_000
BEGAN_US = instant_us("2027-01-01T00:00Z") or 0


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as parent:
        folder = write_big_hub(Path(parent), N_ASSETS, 4)
        hub = read_hub(folder)
        profiles, sessions = Path(parent) / "profiles.csv", Path(parent) / "sessions.csv"
        _write_profiles(profiles, hub)
        _write_sessions(sessions, hub)
        words = [folder, "--profiles", profiles, "--sessions", sessions]
        _run(words, "15min", minutes=15)
        took_s, summary = _run(words, "15min", minutes=DAYS * 24 * 60)
        assert summary["ticks"] == DAYS * QUARTERS_A_DAY
        yield Figure("a year of quarters, 1,000 assets, 146,000 sessions", took_s, "s", "lower", 60.0, 30.0)
        took_ms = 1000 * took_s / summary["ticks"]
        yield Figure("the same per quarter, start and reading included", took_ms, "ms", "lower")
        _run(words, "1s", minutes=1)  # its kernels are others: the first run compiles them
        short_s, _ = _run(words, "1s", minutes=1)
        long_s, summary = _run(words, "1s", minutes=3)
        yield Figure("seconds of 1,000 assets in the closed loop", 120 / (long_s - short_s), "s per s", "higher")


def _run(words: list[object], step: str, *, minutes: int) -> tuple[float, dict]:
    period = ["--from", as_utc(BEGAN_US), "--to", as_utc(BEGAN_US + minutes * 60_000_000)]
    command = [sys.executable, "-m", "lusbalans", "simulate", *map(str, words), *period, "--step", step, "--json"]
    began_s = time.perf_counter()
    done = subprocess.run(command, check=False, capture_output=True, timeout=230)
    took_s = time.perf_counter() - began_s
    assert done.returncode in {0, 4}, done.stderr.decode()
    return took_s, json.loads(done.stdout)


def _write_profiles(path: Path, hub: Hub) -> None:
    """Loads that follow the working day, roofs that follow the sun, each with chance of its own."""
    chance, count = np.random.default_rng(1), DAYS * QUARTERS_A_DAY
    hour = (np.arange(count) % QUARTERS_A_DAY) / 4
    sun = np.clip(np.sin((hour - 6) / 12 * np.pi), 0, 1)
    work = 0.4 + 0.6 * np.clip(np.sin((hour - 7) / 11 * np.pi), 0, 1)
    columns = {connection.ean: 30 * work * chance.uniform(0.7, 1.3, count) for connection in hub.connections}
    for asset in hub.assets:
        if asset.kind is AssetKind.PV:
            columns[asset.id] = 0.9 * asset.min_kw * sun * chance.uniform(0.2, 1.0, count)
        if asset.kind is AssetKind.THERMAL_STORE:
            columns[asset.id] = asset.max_kw * chance.uniform(0.0, 0.6, count)
    rows = np.round(np.stack(list(columns.values()), axis=1), 2).tolist()
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join(["time_utc", *columns]) + "\n")
        file.writelines(
            f"{as_utc(BEGAN_US + at * 900_000_000)},{','.join(map(repr, row))}\n" for at, row in enumerate(rows)
        )


def _write_sessions(path: Path, hub: Hub) -> None:
    """A car in two days of three at each charger, from some hour of the morning on."""
    chance = np.random.default_rng(2)
    with path.open("w", encoding="utf-8") as file:
        file.write("charger,arrival,departure,energy_kwh,max_kw\n")
        for asset in (asset for asset in hub.assets if asset.kind is AssetKind.CHARGER):
            for day in np.flatnonzero(chance.random(DAYS) < 2 / 3).tolist():
                arrival_us = BEGAN_US + day * DAY_US + int(chance.integers(6 * 60, 12 * 60)) * 60_000_000
                departure_us = arrival_us + int(chance.integers(60, 9 * 60)) * 60_000_000
                energy_kwh = chance.uniform(5, 35)
                file.write(f"{asset.id},{as_utc(arrival_us)},{as_utc(departure_us)},{energy_kwh:.2f},11\n")
