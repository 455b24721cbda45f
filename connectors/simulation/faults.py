"""What goes wrong in a simulation, and when: a table of faults, frames lost or late by chance.

Pure. All chance comes from the seed and the instant, so that a run repeats.

| kind | its target | meanwhile |
|---|---|---|
| `meter-dead` | a meter or an asset | the point's readings are missing from the frames |
| `gateway-silent` | a grid loop or `@station` | no frame arrives |
| `device-ignores` | an asset | the device stays at the power it had when the fault began |
| `device-late` | an asset | the device obeys what it was told 5 s earlier |
| `worker-gap` | none | nobody ticks or decides; then a new worker takes over |
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from connectors.simulation.instants import instant_us
from hub.model import STATION, Hub
from hub.rows import unknown_name
from hub.tree import build_tree
from streams.messages import TelemetryFrame

LATE_S: Final = 5
"""How late a late device obeys: as a slow protocol with one poll behind."""

_DURATION: Final = re.compile(r"(\d+)(s|min|h)", re.ASCII)
_SECONDS: Final = {"s": 1, "min": 60, "h": 3600}
_WRITE_IT: Final = "write KIND[:ID]@TIME/DURATION, such as meter-dead:lus-1/a@2026-06-21T12:05Z/30s"


class FaultKind(StrEnum):
    """Kinds of fault; what each means stands at the top of this file."""

    METER_DEAD = "meter-dead"
    GATEWAY_SILENT = "gateway-silent"
    DEVICE_IGNORES = "device-ignores"
    DEVICE_LATE = "device-late"
    WORKER_GAP = "worker-gap"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; it lasts from `begins_us` until just before `ends_us`."""

    kind: FaultKind
    target: str
    """Empty for `worker-gap`."""
    begins_us: int
    ends_us: int

    def active(self, at_us: int) -> bool:
        """Whether it holds at an instant."""
        return self.begins_us <= at_us < self.ends_us


class FaultError(ValueError):
    """A fault that was not understood; one line with what to write instead."""


def parse_fault(text: str, hub: Hub) -> Fault:
    """Read `KIND[:ID]@TIME/DURATION`.

    Raises:
        FaultError: it means nothing, or names what the hub does not have.
    """
    what, _, when = text.rpartition("@")
    time, _, duration = when.rpartition("/")
    name, _, target = what.partition(":")
    if name not in list(FaultKind):
        raise FaultError(
            f"fault {text!r}: {'; '.join(unknown_name(name, [str(kind) for kind in FaultKind]))}; {_WRITE_IT}"
        )
    begins_us, lasts = instant_us(time), _DURATION.fullmatch(duration)
    if begins_us is None or lasts is None:
        raise FaultError(f"fault {text!r}: wants a time with its zone and a duration in s, min or h; {_WRITE_IT}")
    targets = _targets(hub, FaultKind(name))
    if target not in targets:
        raise FaultError(f"fault {text!r}: {'; '.join(unknown_name(target, targets))[:300]}")
    lasts_us = int(lasts[1]) * _SECONDS[lasts[2]] * 1_000_000
    return Fault(FaultKind(name), target, begins_us, begins_us + lasts_us)


def _targets(hub: Hub, kind: FaultKind) -> list[str]:
    match kind:
        case FaultKind.WORKER_GAP:
            return [""]
        case FaultKind.GATEWAY_SILENT:
            return [STATION, *(grid_loop.id for grid_loop in hub.grid_loops)]
        case FaultKind.METER_DEAD:
            return [point for points in build_tree(hub).meters.values() for point in points]
    return [asset.id for asset in hub.assets if asset.kind.controllable]


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Everything that goes wrong in a run."""

    faults: tuple[Fault, ...] = ()
    loss_ratio: float = 0.0
    """Share of the telemetry frames that never arrive."""
    delay_us: int = 0
    """Telemetry arrives this late: each frame half to one and a half times as much."""
    seed: int = 0

    def targets(self, kind: FaultKind, at_us: int) -> list[str]:
        """What a kind of fault holds at an instant."""
        return [fault.target for fault in self.faults if fault.kind is kind and fault.active(at_us)]

    def named(self, at_us: int) -> list[str]:
        """The faults that hold at an instant, for people."""
        return [f"{fault.kind} {fault.target}".strip() for fault in self.faults if fault.active(at_us)]

    def worker_away(self, at_us: int) -> bool:
        """Whether nobody decides."""
        return bool(self.targets(FaultKind.WORKER_GAP, at_us))

    def arrivals_us(self, gateways: Iterable[str], at_us: int) -> list[int | None]:
        """When the frame that each gateway sends at an instant arrives; None where it is lost."""
        names = list(gateways)
        chance = np.random.Generator(np.random.Philox(key=[self.seed, at_us])).random((2, len(names)))
        silent = self.targets(FaultKind.GATEWAY_SILENT, at_us)
        lost = (chance[0] < self.loss_ratio).tolist()
        late_us = np.round(self.delay_us * (0.5 + chance[1])).astype(np.int64).tolist()
        return [
            None if is_lost or name in silent else at_us + delay_us
            for name, is_lost, delay_us in zip(names, lost, late_us, strict=True)
        ]

    def masked(self, frame: TelemetryFrame, at_us: int) -> TelemetryFrame:
        """The frame without the rows of dead meters."""
        dead = self.targets(FaultKind.METER_DEAD, at_us)
        if not dead:
            return frame
        rows = [row for row, point in enumerate(frame.ids) if point not in dead]
        columns = {
            name: [column[row] for row in rows]
            for name, column in ((name, getattr(frame, name)) for name in frame.__struct_fields__)
            if isinstance(column, list) and column
        }
        sent = {name: getattr(frame, name) for name in frame.__struct_fields__} | columns
        return TelemetryFrame(**sent)
