"""A park of any size as a hub folder that passes `hub check`: grid loops all alike, ten assets behind each connection.

Per connection (250 kVA, 150 kW import and 100 kW export contracted): six chargers of 11 kW, a roof of 60 kWp, a roof of
30 kWp, a battery of 50 kW and a heat pump of 20 kW. Ten connections hang on each section; a ring is open half-way. The
park may draw 40 kW per connection and feed nothing in, so its own limits bind on a busy or a sunny day. What nobody
controls draws 0 to 15 kW per connection, so that with every computer off 40 kW are enough, and a worker starts (R4).

    python -m tests.bench.big_hub FOLDER N_ASSETS [N_LOOPS]
"""

import csv
import math
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hub.ean import check_digit
from hub.folder import read_hub
from hub.model import Hub
from hub.schema import ASSETS, CONNECTIONS, ENVELOPE

DE_KOUMEN = Path(__file__).parents[2] / "infra/hubs/de-koumen"

ASSETS_PER_LOOP = 1_000
PER_CONNECTION = 10
PER_SECTION = 10
PARK_KW = 40
"""What the park may draw, per connection."""

LOAD_KW = 15
"""What nobody controls draws at most, per connection."""

STATED_ON = "2026-11-24"
CAPACITY_KVA = 250.0
KINDS = (
    *({"kind": "charger", "rated_kw": 11, "max_kw": 11, "min_on_kw": 4.14, "step_kw": 0.69, "reversion_kw": 4.14},) * 6,
    *({"kind": "pv", "rated_kw": kw, "min_kw": -kw, "order_down": 3, "order_up": 3} for kw in (60, 30)),
    {"kind": "battery", "rated_kw": 50, "min_kw": -50, "max_kw": 50, "energy_kwh": 100, "efficiency_ratio": 0.95,
     "order_down": 2, "order_up": 0},
    {"kind": "thermal_store", "rated_kw": 20, "max_kw": 20, "order_down": 1, "order_up": 2},
)  # fmt: skip


def big_hub(n_assets: int, n_loops: int = 0, *, hub_id: str = "big") -> Hub:
    """The park as read; `n_loops` 0 is one per 1,000 assets."""
    with tempfile.TemporaryDirectory() as folder:
        return read_hub(write_big_hub(Path(folder), n_assets, n_loops, hub_id=hub_id))


def write_big_hub(parent: Path, n_assets: int, n_loops: int = 0, *, hub_id: str = "big") -> Path:
    """Write the park to the folder `parent / hub_id`; its profiles are De Koumen's, so that it can be simulated."""
    n_loops = n_loops or max(1, round(n_assets / ASSETS_PER_LOOP))
    loop_of = [at * n_loops // n_assets for at in range(n_assets)]
    per_loop = [math.ceil(loop_of.count(loop) / PER_CONNECTION) for loop in range(n_loops)]
    folder = parent / hub_id
    folder.mkdir(parents=True)
    shutil.copytree(DE_KOUMEN / "profiles", folder / "profiles")
    profiles = (DE_KOUMEN / "hub.toml").read_text(encoding="utf-8").partition("[profiles]")
    (folder / "hub.toml").write_text(_toml(hub_id, per_loop) + "".join(profiles[1:]), encoding="utf-8")
    sectors = [line.partition(" =")[0] for line in profiles[2].partition("[profiles.sectors]\n")[2].splitlines()]
    _write(folder / "connections.csv", CONNECTIONS, _connections(per_loop, sectors))
    _write(folder / "assets.csv", ASSETS, _assets(loop_of))
    _write(folder / "envelope.csv", ENVELOPE, _envelopes(per_loop))
    return folder


def _toml(hub_id: str, per_loop: list[int]) -> str:
    n_connections = sum(per_loop)
    margin_kw = 2 * n_connections
    loops = "\n".join(_loop_toml(loop, n_here) for loop, n_here in enumerate(per_loop))
    return f"""\
[hub]
id = "{hub_id}"
name = "A park of {n_connections} connections"
station = "Invented"
timezone = "Europe/Amsterdam"

[timing]
tick_s = 1
meter_cadence_s = 1
stale_after_s = 5
setpoint_valid_s = 10
device_lease_s = 15
budget_lease_s = 10

[margin]
import_kw = {margin_kw}
export_kw = {margin_kw}
source = "invented"

{loops}
[[limits]]
node = "park"
layer = "contract"
judged = "quarter"
import_kw = {PARK_KW * n_connections}
export_kw = 0
source = "invented"

[[limits]]
node = "park"
layer = "dso_cap"
judged = "instant"
import_kw = {2 * PARK_KW * n_connections}
export_kw = 0
source = "invented"

"""


def _loop_toml(loop: int, n_connections: int) -> str:
    n_sections = math.ceil(n_connections / PER_SECTION)
    sections = "".join(
        f'  {{ id = "{_section(loop, at)}", import_kw = 5900, export_kw = 5900, source = "invented" }},\n'
        for at in range(n_sections)
    )
    return f"""\
[[grid_loops]]
id = "{_loop(loop)}"
name = "{_loop(loop)}"
open_after = {(n_sections + 1) // 2}
fallback_min_kw = 0
fallback_max_kw = {(PARK_KW - 2) * n_connections}
sections = [
{sections}]
"""


def _connections(per_loop: list[int], sectors: list[str]) -> Iterator[dict[str, object]]:
    for loop, n_here in enumerate(per_loop):
        for at in range(n_here):
            yield {
                "ean": _ean(loop, at), "company": f"Company {loop}-{at}", "sector": sectors[at % len(sectors)],
                "grid_loop": _loop(loop), "section": _section(loop, at // PER_SECTION), "member": "yes",
                "capacity_a": round(CAPACITY_KVA / (math.sqrt(3) * 0.4), 1), "capacity_kva": CAPACITY_KVA,
                "contract_import_kw": 150, "contract_export_kw": 100, "roof_area_m2": 600, "yearly_use_kwh": 150_000,
            }  # fmt: skip


def _envelopes(per_loop: list[int]) -> Iterator[dict[str, object]]:
    for loop, n_here in enumerate(per_loop):
        for at in range(n_here):
            yield {"node": _ean(loop, at), "min_kw": 0, "max_kw": LOAD_KW, "source": "invented", "stated_on": STATED_ON}


def _assets(loop_of: list[int]) -> Iterator[dict[str, object]]:
    before = loop = 0
    for asset, its_loop in enumerate(loop_of):
        if its_loop != loop:
            before, loop = asset, its_loop
        at = asset - before
        kind = KINDS[at % PER_CONNECTION]
        name = f"{kind['kind']}-{asset:06d}"
        yield {
            "id": name, "ean": _ean(loop, at // PER_CONNECTION), "min_kw": 0, "max_kw": 0,
            "ramp_kw_per_s": float(kind["rated_kw"]) / 5, "weight": kind["rated_kw"], "driver": "simulator",
            "address": name, "reversion_tested": STATED_ON,
        } | kind  # fmt: skip


def _loop(loop: int) -> str:
    return f"lus-{loop + 1}"


def _section(loop: int, section: int) -> str:
    return f"{_loop(loop)}-s{section + 1}"


def _ean(loop: int, connection: int) -> str:
    body = f"8710000{loop:05d}{connection:05d}"
    return f"{body}{check_digit(body)}"


def _write(path: Path, columns: tuple, rows: Iterator[dict[str, object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [column.name for column in columns])
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    print(write_big_hub(Path(sys.argv[1]), *(int(number) for number in sys.argv[2:])))
