"""What the live table shows: the last thing that was said of each node and each device."""

from dataclasses import dataclass, field
from typing import Final

from connectors.run_log import Happened
from hub.model import GROUP, PARK, Hub
from streams.messages import LoopState, Reason, SetpointFrame, SetpointResult, TelemetryFrame

_INTEREST: Final = {
    Reason.EXPORT_LIMIT: 0,
    Reason.IMPORT_LIMIT: 0,
    Reason.FALLBACK: 1,
    Reason.NOT_FOLLOWING: 1,
    Reason.DEVICE_RANGE: 2,
    Reason.MAKES_ROOM: 2,
    Reason.FILLS_RESERVE: 2,
    Reason.WAITS_FOR_IMPORT: 2,
    Reason.WAITS_FOR_HEADROOM: 2,
    Reason.TARGET: 3,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLine:
    """One limited node as its worker sees it; powers in kW, None where unknown or unlimited."""

    node: str
    at_us: int
    power_kw: float | None
    limit_import_kw: float | None
    limit_export_kw: float | None
    headroom_import_kw: float | None
    headroom_export_kw: float | None
    quarter_import_kw: float | None
    quarter_export_kw: float | None
    projected_import_kw: float | None
    projected_export_kw: float | None
    binding: str
    fresh: bool
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetpointLine:
    """One device's last setpoint."""

    asset: str
    grid_loop: str
    power_kw: float
    bound: str
    reason: str
    binding: str
    """The node whose limit binds; empty where none does."""


@dataclass(slots=True)
class Picture:
    """Takes messages, keeps the last of each kind."""

    hub: Hub
    nodes: dict[str, NodeLine] = field(default_factory=dict)
    setpoints: dict[str, SetpointLine] = field(default_factory=dict)
    measured_kw: dict[str, float | None] = field(default_factory=dict)
    first_setpoint_us: int | None = None
    refused: int = 0

    def take(self, happened: Happened) -> None:
        """Take one message."""
        match happened.message:
            case TelemetryFrame() as frame:
                self.measured_kw.update(zip(frame.ids, frame.power_kw, strict=False))
            case LoopState() as state:
                self._take_state(state)
            case SetpointFrame() as frame:
                self._take_setpoints(frame)
                if self.first_setpoint_us is None:
                    self.first_setpoint_us = happened.appended_us
            case SetpointResult() as result:
                self.refused += result.outcome == "refused"

    def lines(self) -> list[NodeLine]:
        """The park, the group and the grid loops, as far as something was said of them."""
        ids = (PARK, GROUP, *(grid_loop.id for grid_loop in self.hub.grid_loops))
        return [self.nodes[node] for node in ids if node in self.nodes]

    def most_interesting(self, count: int) -> list[SetpointLine]:
        """Setpoints: what a limit decides first, then what is wrong, then the rest; each by size."""
        order = sorted(
            self.setpoints.values(),
            key=lambda line: (_INTEREST.get(Reason(line.reason), 1), -abs(line.power_kw), line.asset),
        )
        return order[:count]

    def _take_state(self, state: LoopState) -> None:
        nodes = state.nodes
        for at, node in enumerate(nodes.ids):
            self.nodes[node] = NodeLine(
                node=node,
                at_us=state.at_us,
                power_kw=nodes.power_kw[at],
                limit_import_kw=nodes.limit_import_kw[at],
                limit_export_kw=nodes.limit_export_kw[at],
                headroom_import_kw=nodes.headroom_import_kw[at],
                headroom_export_kw=nodes.headroom_export_kw[at],
                quarter_import_kw=nodes.quarter_import_kw[at],
                quarter_export_kw=nodes.quarter_export_kw[at],
                projected_import_kw=nodes.projected_import_kw[at],
                projected_export_kw=nodes.projected_export_kw[at],
                binding=nodes.binding[at],
                fresh=nodes.fresh[at],
                mode=state.mode,
            )

    def _take_setpoints(self, frame: SetpointFrame) -> None:
        for asset, power_kw, bound, reason, binding in zip(
            frame.ids, frame.power_kw, frame.bound, frame.reason, frame.binding, strict=False
        ):
            self.setpoints[asset] = SetpointLine(
                asset=asset, grid_loop=frame.grid_loop, power_kw=power_kw, bound=bound, reason=reason, binding=binding
            )
