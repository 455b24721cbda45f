"""What overrides make of the assets of one grid loop, as arrays: narrower boxes, and setpoints cut to them (R10). Pure.

An asset that is not steered goes home to its reversion value, but no further from rest than its override lets it: a
stopped one stays at rest, and one that is held at a power lets go of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hub.model import Asset
from hub.overrides import Kept
from streams.bounds import Floats


@dataclass(frozen=True, slots=True)
class KeptAssets:
    """[n_assets] Between what powers each is kept, kW, and where it rests; without bounds where nobody keeps it."""

    min_kw: Floats
    max_kw: Floats
    rest_kw: Floats

    @classmethod
    def of(cls, assets: Sequence[Asset], kept: Mapping[str, Kept]) -> Self:
        """Lay out what is known by asset id; ids of other grid loops are left out."""
        free = Kept(min_kw=-np.inf, max_kw=np.inf, rest_kw=0.0)
        rows = [kept.get(asset.id, free) for asset in assets]
        return cls(*(np.array([getattr(row, name) for row in rows]) for name in ("min_kw", "max_kw", "rest_kw")))

    def narrowed(self, min_kw: Floats, max_kw: Floats) -> tuple[Floats, Floats]:
        """Cut boxes to what overrides allow; a box that lies outside of that becomes its nearest end."""
        low_kw, high_kw = (np.minimum(np.maximum(end_kw, min_kw), max_kw) for end_kw in (self.min_kw, self.max_kw))
        return low_kw, high_kw

    def told_kw(self, *, closed: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """Between what powers a setpoint may be: of an asset that is not steered, up to rest."""
        low_kw = np.where(closed, self.min_kw, np.minimum(self.min_kw, self.rest_kw))
        high_kw = np.where(closed, self.max_kw, np.maximum(self.max_kw, self.rest_kw))
        return low_kw, high_kw
