"""What was remembered of a grid loop's assets, for the same loop laid out anew: its open point moved between two ticks.

The assets are the same; the kernel orders them by the tree, so they may stand in another order.
"""

import copy
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np

from streams.bounds import Indices, indices
from streams.plant import Plant

_Memory = TypeVar("_Memory", bound=Any)
"""A dataclass whose arrays all are [n_assets]; one that keeps the layout has it as `plant`."""


def asset_order(before: Plant, after: Plant) -> Indices:
    """[n_assets] Where each asset of the new layout stood in the one before."""
    place = {asset.id: at for at, asset in enumerate(before.assets)}
    return indices(place[asset.id] for asset in after.assets)


def carry_over(memory: _Memory, before: Plant, after: Plant) -> _Memory:
    """Return the memory for another layout of the same loop; that of the layout before is left as it is."""
    order, moved = asset_order(before, after), copy.copy(memory)
    for each in fields(memory):
        value = getattr(memory, each.name)
        if isinstance(value, np.ndarray):
            object.__setattr__(moved, each.name, value[order])  # a copy of our own, frozen or not
        elif value is before:
            object.__setattr__(moved, each.name, after)
    return moved
