"""From the kernel's answer to a setpoint frame: value, how it is meant, why, and which node binds."""

from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from balancer.kernel import Answer
from balancer.rounding import round_to_steps
from hub.model import PARK
from streams.bounds import Floats
from streams.boxes import Boxes
from streams.messages import Epoch, Reason, SetpointFrame
from streams.plant import Plant

FULL_EVERY_TICKS: Final = 2
"""A full frame is repeated this often. Dispatch refuses to renew one that it never got, so that from a lost full frame
on the lease runs out until the next: with one in ten ticks each lost frame ended a lease of ten seconds. Now five in a
row must be lost."""

GRAIN_KW: Final = 0.01
"""Setpoints of stepless devices are written in steps of 10 W; smaller changes are not worth a message."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Setpoints of one tick, column-wise in the order of `plant.assets`."""

    power_kw: tuple[float, ...]
    reason: tuple[str, ...]
    binding: tuple[str, ...]
    not_following: tuple[str, ...] = ()
    """Ids of those that are told and do not follow."""


def decide(
    plant: Plant, boxes: Boxes, answer: Answer, *, told_kw: Floats, held: NDArray[np.bool_], budget_binds: bool
) -> Decision:
    """Word the kernel's answer.

    PV that no export limit holds down is set free to its rated power instead of to what it produces now: a setpoint
    that follows the sun would clip each brightening for a tick. An asset that does not follow is asked on, but not
    against what the limits have come to ask for: then it is told to stay as it is, which it does, and counts again. What
    somebody stopped or keeps low is never told more than that.
    What is `held` back from its target by R11 alone is rounded away from it.
    """
    price = answer.price
    rounded_kw = _rounded_kw(plant, answer, np.where(held, np.sign(answer.power_kw - boxes.target_kw), price))
    against = (told_kw - boxes.target_kw) * price < 0
    reasons, holds, powers_kw = zip(
        (Reason.OVERRIDE, boxes.least_told_kw == boxes.most_told_kw, boxes.least_told_kw),
        (Reason.FALLBACK, ~boxes.closed, plant.devices.reversion_kw),
        (Reason.NOT_FOLLOWING, boxes.idle & ~against, told_kw),
        (Reason.RELEASE, held, rounded_kw),
        (Reason.TARGET, plant.is_pv & (price <= 0.0), plant.devices.min_kw),
        (Reason.IMPORT_LIMIT, price < 0.0, rounded_kw),
        (Reason.EXPORT_LIMIT, price > 0.0, rounded_kw),
        (Reason.DEVICE_RANGE, boxes.max_kw <= boxes.min_kw, rounded_kw),
        (Reason.TARGET, np.ones_like(plant.is_pv), rounded_kw),
        strict=True,
    )
    first = np.argmax(holds, axis=0)  # [n_assets] of the cases above
    chosen_kw = np.choose(first, powers_kw)
    power_kw = np.clip(chosen_kw, boxes.least_told_kw, boxes.most_told_kw)
    cut = (power_kw != chosen_kw).tolist()
    reason = [Reason.OVERRIDE if was_cut else reasons[case] for case, was_cut in zip(first.tolist(), cut, strict=True)]
    nodes = binding_nodes(plant, answer.node_price, budget_binds=budget_binds)
    return Decision(
        power_kw=tuple((power_kw.round(2) + 0.0).tolist()),
        reason=tuple(reason),
        binding=tuple(
            nodes[node] if why in _BY_LIMIT else ""
            for why, node in zip(reason, plant.topology.asset_node.tolist(), strict=True)
        ),
        not_following=tuple(plant.topology.asset_ids[at] for at in np.flatnonzero(boxes.idle & boxes.closed).tolist()),
    )


_BY_LIMIT: Final = frozenset({Reason.IMPORT_LIMIT, Reason.EXPORT_LIMIT})


def _rounded_kw(plant: Plant, answer: Answer, price: Floats) -> Floats:
    """[n_assets] What the devices can do of it, rounded to the side where the limit that binds has room."""
    devices = plant.devices
    return round_to_steps(
        answer.power_kw,
        price,
        step_kw=np.where(devices.step_kw > 0, devices.step_kw, GRAIN_KW),
        least_kw=devices.min_on_kw,
        min_kw=devices.min_kw,
        max_kw=devices.max_kw,
    )


def binding_nodes(plant: Plant, node_price: Floats, *, budget_binds: bool) -> list[str]:
    """[kernel's nodes] The node that gives each node its price: the nearest one upwards that changes it.

    The loop's own root stands for the park where its budget is what binds.
    """
    tree = plant.topology
    names = [""] * len(tree.node_ids)
    for v in range(len(names) - 1, -1, -1):  # the root comes last, parents after children
        above = int(tree.parent[v])
        above_price = node_price[above] if above >= 0 else 0.0
        if node_price[v] == above_price:
            names[v] = names[above] if above >= 0 else ""
        elif above < 0 and budget_binds:
            names[v] = PARK
        else:
            names[v] = tree.node_ids[v]
    return names


def budget_binds(plant: Plant, *, bounds_kw: Floats, price: float) -> bool:
    """Whether at the loop's root the budget is tighter than each limit of the loop's own, in the price's direction."""
    at_root = [
        (b.budget, kw)
        for b, kw in zip(plant.bounds, bounds_kw, strict=True)
        if b.node == 0 and b.imports == (price < 0)
    ]
    own_kw = min((kw for budget, kw in at_root if not budget), default=np.inf)
    return any(budget and kw <= own_kw for budget, kw in at_root)


def binding_limits(plant: Plant, node_price: Floats) -> list[str]:
    """[plant's nodes] `import` or `export` where the node changes the price of what hangs below it, else empty."""
    tree = plant.topology
    above_price = np.where(tree.parent >= 0, node_price[tree.parent], 0.0)
    changes = dict(zip(tree.node_ids, node_price - above_price, strict=True))
    return ["" if changes[name] == 0 else "import" if changes[name] < 0 else "export" for name in plant.node_ids]


@dataclass(slots=True)
class SetpointWriter:
    """Makes frames of decisions: a full one on change and every two ticks, else a renewal of the last full one."""

    plant: Plant
    valid_for_ms: int
    epoch: Epoch | None = None
    sequence: int = 0
    full_sequence: int = 0
    full_tick: int = 0
    last: Decision | None = None
    bound: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.lay_out(self.plant)

    def lay_out(self, plant: Plant) -> None:
        """Write for this layout of the same loop from now on, beginning with a full frame."""
        self.plant, self.last = plant, None
        self.bound = [str(bound) for bound in plant.asset_bound]

    def begin(self, epoch: Epoch) -> None:
        """Write from now on under a new epoch, beginning with a full frame."""
        self.epoch, self.sequence, self.last = epoch, 0, None

    def frame(self, decision: Decision, *, tick: int, now_us: int, folded_until_us: int) -> SetpointFrame:
        """The next frame; needs `begin` first."""
        if self.epoch is None:
            raise RuntimeError("a setpoint needs an epoch: the loop was not claimed")
        self.sequence += 1
        full = decision != self.last or tick - self.full_tick >= FULL_EVERY_TICKS
        if full:
            self.last, self.full_sequence, self.full_tick = decision, self.sequence, tick
        return SetpointFrame(
            grid_loop=self.plant.grid_loop,
            epoch=self.epoch,
            sequence=self.sequence,
            tick=tick,
            issued_at_us=now_us,
            valid_for_ms=self.valid_for_ms,
            folded_until_us=folded_until_us,
            full=full,
            renews=0 if full else self.full_sequence,
            ids=[asset.id for asset in self.plant.assets] if full else [],
            power_kw=list(decision.power_kw) if full else [],
            bound=self.bound if full else [],
            reason=list(decision.reason) if full else [],
            binding=list(decision.binding) if full else [],
            not_following=list(decision.not_following) if full and decision.not_following else msgspec.UNSET,
        )
