"""The park's own account of what flowed, kept beside everything that is being tested against it.

Counts from the registers of the simulated meters, with the same rule for a quarter's boundary as everybody
(`hub.quarters`), and from what the broker acknowledged. Never reads what the balancing says of itself.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from connectors.simulator.arrays import Ints
from connectors.simulator.park import Park, ParkState
from hub.model import PARK
from hub.quarters import QUARTER_US, RegisterReading, quarter_start_us, register_at_wh

FILE_NAME: Final = "simulator-ledger.json"

_W_US_PER_WH: Final = 3_600_000_000

_MOST_QUARTERS: Final = 400
"""Four days; of older quarters only totals and peaks are kept (R20)."""


class QuarterEntry(msgspec.Struct, frozen=True):
    """Energy of one node in one quarter, whole Wh; the first and the last quarter of a run are not whole."""

    start_us: int
    import_wh: int
    export_wh: int
    whole: bool


class NodeEntry(msgspec.Struct, frozen=True):
    """One node over the whole run; peaks are magnitudes of power at whole steps, kW."""

    peak_import_kw: float
    peak_export_kw: float
    quarters: list[QuarterEntry]


class LedgerPage(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger as it is written; energies of the park are those of its boundary meter."""

    hub: str
    scenario: str
    began_us: int
    until_us: int
    imported_wh: int
    exported_wh: int
    charged_wh: int
    """Into batteries and cars."""
    curtailed_wh: int
    """What the sun gave and setpoints did not let through."""
    readings_produced: int
    readings_acknowledged: int
    nodes: dict[str, NodeEntry]


@dataclass(slots=True)
class Ledger:
    """Accumulates step by step; `take` every state, in order."""

    hub_id: str
    park: Park
    first: ParkState
    readings_produced: int = 0
    readings_acknowledged: int = 0
    _last: ParkState = field(init=False)
    _most_w: Ints = field(init=False)
    _least_w: Ints = field(init=False)
    _curtailed_w_us: int = field(init=False, default=0)
    _boundaries: list[tuple[int, list[int], list[int]]] = field(init=False)
    """Instant, A+ and A- of each node: of the start, then of every quarter since."""

    def __post_init__(self) -> None:
        nodes = len(self.park.network.node_ids)
        self._last = self.first
        self._most_w, self._least_w = (np.zeros(nodes, dtype=np.int64) for _ in range(2))
        self._boundaries = [(self.first.at_us, *_node_registers(self.first, nodes))]

    def take(self, state: ParkState) -> None:
        """Account for one step."""
        last, self._last = self._last, state
        self._most_w = np.maximum(self._most_w, state.node_w)
        self._least_w = np.minimum(self._least_w, state.node_w)
        self._curtailed_w_us += int(state.curtailed_w.sum()) * (state.at_us - last.at_us)
        boundary_us = quarter_start_us(last.at_us) + QUARTER_US
        while boundary_us <= state.at_us:
            self._boundaries.append(_between(boundary_us, last, state, len(self._most_w)))
            boundary_us += QUARTER_US
        del self._boundaries[:-_MOST_QUARTERS]

    def page(self) -> LedgerPage:
        """The account so far."""
        park = self.park.network.node_ids.index(PARK)
        before, after = self.first.registers, self._last.registers
        ends = [*self._boundaries, (self._last.at_us, *_node_registers(self._last, len(self._most_w)))]
        return LedgerPage(
            hub=self.hub_id,
            scenario=self.park.scenario.name,
            began_us=self.first.at_us,
            until_us=self._last.at_us,
            imported_wh=int(after.import_wh[park] - before.import_wh[park]),
            exported_wh=int(after.export_wh[park] - before.export_wh[park]),
            charged_wh=self._charged_wh(),
            curtailed_wh=self._curtailed_w_us // _W_US_PER_WH,
            readings_produced=self.readings_produced,
            readings_acknowledged=self.readings_acknowledged,
            nodes={
                node_id: NodeEntry(
                    peak_import_kw=float(self._most_w[at]) / 1000.0,
                    peak_export_kw=-float(self._least_w[at]) / 1000.0,
                    quarters=_quarters(ends, at),
                )
                for at, node_id in enumerate(self.park.network.node_ids)
            },
        )

    def _charged_wh(self) -> int:
        """What batteries and cars took, by the meters of each."""
        devices = np.concatenate([self.park.battery_at, self.park.charger_at]) + len(self._most_w)
        gained_wh = self._last.registers.import_wh - self.first.registers.import_wh
        return int(gained_wh[devices].sum())


def _node_registers(state: ParkState, nodes: int) -> tuple[list[int], list[int]]:
    return state.registers.import_wh[:nodes].tolist(), state.registers.export_wh[:nodes].tolist()


def _between(boundary_us: int, before: ParkState, after: ParkState, nodes: int) -> tuple[int, list[int], list[int]]:
    """Registers of the nodes at a boundary, by the rule everybody uses."""
    columns = [
        [
            register_at_wh(boundary_us, RegisterReading(before.at_us, was_wh), RegisterReading(after.at_us, is_wh))
            for was_wh, is_wh in zip(was, now, strict=True)
        ]
        for was, now in zip(_node_registers(before, nodes), _node_registers(after, nodes), strict=True)
    ]
    return (boundary_us, columns[0], columns[1])


def _quarters(ends: list[tuple[int, list[int], list[int]]], at: int) -> list[QuarterEntry]:
    """What lies between successive instants, for node `at`; an empty stretch is none."""
    return [
        QuarterEntry(
            start_us=quarter_start_us(from_us),
            import_wh=import_after[at] - import_before[at],
            export_wh=export_after[at] - export_before[at],
            whole=to_us - from_us == QUARTER_US,
        )
        for (from_us, import_before, export_before), (to_us, import_after, export_after) in pairwise(ends)
        if to_us > from_us
    ]


def write_page(path: Path, page: msgspec.Struct) -> None:
    """Replace a file at once: a reader sees the old page or the new one, never half of either.

    Raises:
        OSError: the disk is full or gone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".tmp")
    beside.write_bytes(msgspec.json.encode(page))
    beside.replace(path)


def read_page(path: Path) -> LedgerPage:
    """Read a ledger that a simulator wrote.

    Raises:
        OSError: there is none.
        msgspec.DecodeError: it is not a ledger.
    """
    return msgspec.json.decode(path.read_bytes(), type=LedgerPage)
