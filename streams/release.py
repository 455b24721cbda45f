"""R11: tighten at once, release slowly. What a limit took from an asset comes back after a hold, by a ramp.

The pace is a wish, never a limit: it moves where an asset would like to be, and the kernel then keeps every limit with
all the room the devices have. So nothing that a limit asks for waits for a hold, in either direction, and what is held
back is given up at once where another limit needs it. Pure but for its own memory; the caller brings the time.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from balancer.kernel import Answer, Solver, State
from hub.model import Timing
from streams.bounds import Floats
from streams.boxes import Boxes
from streams.following import TOLERANCE_KW, TOLERANCE_RATIO
from streams.plant import Plant

WATT_KW: Final = 1e-3
"""Less than this is rounding, not a limit that takes or gives."""


@dataclass(slots=True)
class Release:
    """Memory of one loop's assets; arrays are [n_assets]. It begins, as after a rebuild, with a hold where they are."""

    plant: Plant
    timing: Timing
    planned_kw: Floats | None = None
    """What the last tick decided; None before the first."""
    _restrained: NDArray[np.bool_] = field(init=False)
    """A limit kept the asset from its target, or nobody steered it."""
    _tightened_us: NDArray[np.int64] = field(init=False)
    """When it was last moved away from its target."""

    def __post_init__(self) -> None:
        n_assets = len(self.plant.assets)
        self._restrained = np.ones(n_assets, np.bool_)
        self._tightened_us = np.zeros(n_assets, np.int64)

    def answer(
        self, solver: Solver, state: State, boxes: Boxes, *, measured_kw: Floats, now_us: int
    ) -> tuple[Answer, NDArray[np.bool_]]:
        """What all limits allow, released slowly; tells also which assets [n_assets] are held back by that alone.

        Args:
            solver: of the loop's tree.
            state: of this tick.
            boxes: of this tick.
            measured_kw: [n_assets] where they are, NaN where that is not known; at the beginning they are held there.
            now_us: the tick's.
        """
        answer = solver.solve(state)
        paced_kw = self._paced_kw(answer.power_kw, boxes, measured_kw=measured_kw, now_us=now_us)
        if np.any(np.abs(paced_kw - answer.power_kw) > WATT_KW):
            target_kw = state.target_kw.copy()
            state.target_kw[:] = paced_kw
            answer = solver.solve(state)
            state.target_kw[:] = target_kw
        self._note(answer.power_kw, boxes, now_us=now_us)
        return answer, (answer.price == 0.0) & (np.abs(answer.power_kw - boxes.target_kw) > WATT_KW)

    def _paced_kw(self, best_kw: Floats, boxes: Boxes, *, measured_kw: Floats, now_us: int) -> Floats:
        """[n_assets] Where each asset should be by now on its way to `best_kw`, what the limits would let it do.

        Toward its target it may only go as fast as it is released, away from it at once; also past it, for then a limit
        asks for the opposite. At the beginning those are held that are not near their targets.
        """
        if self.planned_kw is None:
            self.planned_kw = np.where(np.isnan(measured_kw), self.plant.devices.reversion_kw, measured_kw)
            self._tightened_us[:] = now_us
            tolerance_kw = np.maximum(TOLERANCE_RATIO * self.plant.devices.rated_kw, TOLERANCE_KW)
            self._restrained = np.abs(self.planned_kw - boxes.target_kw) > tolerance_kw
        # After a clock that was put back a hold begins anew: it must not last until the old time comes again.
        self._tightened_us = np.minimum(self._tightened_us, now_us)
        way_kw = best_kw - self.planned_kw
        back_kw = boxes.target_kw - self.planned_kw
        opens = self._restrained & (way_kw * back_kw > 0) & (np.abs(way_kw) <= np.abs(back_kw))
        held = now_us - self._tightened_us < self.timing.release_hold_s * 1e6
        step_kw = self.timing.release_ramp_ratio_per_s * self.plant.devices.rated_kw * self.timing.tick_s
        step_kw = np.where(held, 0.0, step_kw)
        return np.where(opens, self.planned_kw + np.clip(way_kw, 0.0 - step_kw, step_kw), best_kw)

    def _note(self, planned_kw: Floats, boxes: Boxes, *, now_us: int) -> None:
        """Remember what was decided in this tick; an asset that nobody steers is held from then on as at the start."""
        was_kw = planned_kw if self.planned_kw is None else self.planned_kw
        apart_kw = np.abs(planned_kw - boxes.target_kw)
        taken = apart_kw > np.abs(was_kw - boxes.target_kw) + WATT_KW
        self._tightened_us[taken | ~boxes.closed] = now_us
        self._restrained = (apart_kw > WATT_KW) | ~boxes.closed
        self.planned_kw = np.array(planned_kw)
