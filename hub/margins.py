"""How far power can move before anything answers, and what it costs to keep that much free (R22). Pure.

A step (a machine that starts or trips) and a ramp (a cloud edge) are compared, not added: the larger one is the margin.
A controlled device that trips is not counted: that is a fault, which the margin of a limit's tolerance carries.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np

from hub.limits import tightest_kw
from hub.model import GROUP, PARK, AssetKind, Connection, Hub, Timing
from hub.profiles import Floats, Profiles
from hub.tree import Tree

CONTROL_TICKS: Final = 2
"""A reading waits for the next tick, and what the hub agent lends for it is obeyed in the one after."""

_H_PER_US: Final = 1 / 3.6e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """The time in which nobody answers what power does: from the change itself to the device that makes up for it."""

    meter_s: float
    lateness_s: float
    control_s: float
    actuator_s: float

    @property
    def total_s(self) -> float:
        """All of it, s."""
        return self.meter_s + self.lateness_s + self.control_s + self.actuator_s


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeMargin:
    """What a node needs kept free, kW, and of what it consists; all are magnitudes."""

    node: str
    step_import_kw: float
    step_export_kw: float
    cloud_kw: float
    """What its roofs gain or lose under a cloud edge within the reaction time."""

    @property
    def import_kw(self) -> float:
        """Largest rise of net power."""
        return max(self.step_import_kw, self.cloud_kw)

    @property
    def export_kw(self) -> float:
        """Largest fall of net power."""
        return max(self.step_export_kw, self.cloud_kw)


@dataclass(frozen=True, slots=True, kw_only=True)
class YearlyCost:
    """What a margin at the park's limits takes in a year, of the loads and roofs alone: batteries idle, no car charging.

    Batteries that take the surplus make it less, cars that charge near the import limit more; `most_import_kwh` and
    `most_export_kwh` are what it could come to if the limits were reached all year.
    """

    import_kwh: float
    """Room below the import limit that was asked for and kept free."""
    export_kwh: float
    """Production curtailed for the margin, beyond what the limit itself curtails."""
    most_import_kwh: float
    most_export_kwh: float


def running(timing: Timing) -> Reaction:
    """Reaction time while every process runs."""
    return Reaction(
        meter_s=timing.meter_cadence_s,
        lateness_s=timing.lateness_s,
        control_s=CONTROL_TICKS * timing.tick_s,
        actuator_s=timing.actuator_s,
    )


def unattended(timing: Timing) -> Reaction:
    """Longest reaction time while a worker is being replaced: setpoints hold until their lease ends (R1, R3)."""
    return Reaction(
        meter_s=timing.meter_cadence_s,
        lateness_s=timing.lateness_s,
        control_s=max(timing.setpoint_valid_s, CONTROL_TICKS * timing.tick_s),
        actuator_s=timing.actuator_s,
    )


def node_margins(hub: Hub, tree: Tree, within: Reaction) -> tuple[NodeMargin, ...]:
    """Return what each guarded node needs, in tree order; the park always.

    A connection's step is its contract, or less where it or a node above it states a step; a step of a node is one of
    all nodes above it.
    """
    step_kw = {node.id: [0.0, 0.0] for node in tree.nodes}
    roofs_kw = dict.fromkeys(step_kw, 0.0)
    stated_kw = {step.node: (step.import_kw, step.export_kw) for step in hub.steps}
    for connection in hub.connections:
        path = tree.path(connection.ean)
        counted = [node for node in path if node != GROUP or connection.member]
        for node in counted:
            roofs_kw[node] += _roofs_kw(connection, tree)
        for way in (0, 1):
            nearest_kw = (kw for node in path if node in stated_kw and (kw := stated_kw[node][way]) is not None)
            kw = min(connection.contract_import_kw, next(nearest_kw, connection.contract_import_kw))
            _raise(step_kw, counted, way=way, kw=kw)
    for node, stated in stated_kw.items():
        for way, kw in enumerate(stated):
            _raise(step_kw, tree.path(node), way=way, kw=kw or 0.0)
    ramp_ratio = min(hub.margin.cloud_ramp_ratio_per_s * within.total_s, 1.0)
    return tuple(
        NodeMargin(
            node=node.id,
            step_import_kw=step_kw[node.id][0],
            step_export_kw=step_kw[node.id][1],
            cloud_kw=roofs_kw[node.id] * ramp_ratio,
        )
        for node in tree.nodes
        if node.id == PARK or tree.limits.get(node.id)
    )


def _raise(step_kw: dict[str, list[float]], nodes: Iterable[str], *, way: int, kw: float) -> None:
    for node in nodes:
        step_kw[node][way] = max(step_kw[node][way], kw)


def _roofs_kw(connection: Connection, tree: Tree) -> float:
    """Rated power of its roofs; of one that is not a member nothing is known but what it may feed in."""
    if not connection.member:
        return connection.contract_export_kw
    return sum(asset.rated_kw for asset in tree.assets.get(connection.ean, ()) if asset.kind is AssetKind.PV)


def park_margin(hub: Hub, tree: Tree) -> NodeMargin:
    """Return what the park needs while every process runs."""
    return node_margins(hub, tree, running(hub.timing))[0]


def margin_warnings(hub: Hub, needed: NodeMargin, today: date) -> tuple[str, ...]:
    """Say of each direction in which the park keeps less free than it needs, and nobody answers for it, what to do."""
    margin = hub.margin
    if margin.until is not None and today <= margin.until:
        return ()
    ended = f" ({margin.accepted_by} accepted it until {margin.until})" if margin.until is not None else ""
    ways = (("import", margin.import_kw, needed.import_kw), ("export", margin.export_kw, needed.export_kw))
    return tuple(
        f"{PARK}: margin.{way}_kw keeps {kept_kw:g} kW free, {needed_kw:.4g} kW is needed{ended}; raise it, state "
        "smaller steps or a shorter reaction time with their source, or write accepted_by and until"
        for way, kept_kw, needed_kw in ways
        if not kept_kw >= needed_kw
    )


def yearly_cost(hub: Hub, profiles: Profiles, *, import_kw: float, export_kw: float) -> YearlyCost:
    """Return what these margins at the park's tightest limits take of the year that the profiles tell."""
    net_kw = _net_kw(hub, profiles)
    step_h = profiles.step_us * _H_PER_US
    of_park = [limit for limit in hub.limits if limit.node == PARK]
    import_limit_kw, export_limit_kw = (
        tightest_kw(of_park, imports=imports, cos_phi_ratio=hub.cos_phi_ratio) for imports in (True, False)
    )
    return YearlyCost(
        import_kwh=_taken_kw(net_kw, import_limit_kw, import_kw) * step_h,
        export_kwh=_taken_kw(-net_kw, export_limit_kw, export_kw) * step_h,
        most_import_kwh=import_kw * profiles.count * step_h,
        most_export_kwh=export_kw * profiles.count * step_h,
    )


def _taken_kw(flow_kw: Floats, limit_kw: float, margin_kw: float) -> float:
    """Sum over the steps, kW, of what the margin takes of a flow beyond what its limit does."""
    return float(np.sum(np.clip(flow_kw - (limit_kw - margin_kw), 0.0, margin_kw)))


def _net_kw(hub: Hub, profiles: Profiles) -> Floats:
    """[n] Net power of the loads and roofs of the park; roofs take the shapes in turn, as in a simulation."""
    roofs = [asset for asset in hub.assets if asset.kind is AssetKind.PV]
    shapes = [profiles.pv_kw_per_kwp(name) for name in profiles.pv_names]
    net_kw = np.zeros(profiles.count)
    for connection in hub.connections:
        net_kw += profiles.load_kw(connection)
    for at, roof in enumerate(roofs):
        net_kw -= roof.rated_kw * shapes[at % len(shapes)]
    return net_kw
