"""What is to be balanced, in words: nodes, limits and assets, as a person would write them down.

Load convention everywhere: positive = import, consumption, charging; PV, discharge and export are negative. The tree
is the grid seen from its root: a node's power is the sum of the assets below it. Nothing here computes.
"""

from dataclasses import dataclass
from enum import IntEnum


class Layer(IntEnum):
    """Where a limit comes from, highest first: when limits contradict, the later layer gives way to the earlier."""

    PROTECTION = 0
    DSO_CAP = 1
    CONTRACT = 2
    OPERATOR = 3
    PLAN = 4


class InputError(ValueError):
    """An input that means nothing: says which element breaks which rule, in one line."""

    def __init__(self, element: str, rule: str) -> None:
        super().__init__(" ".join(f"{element}: {rule}".split()))
        self.element = element
        self.rule = rule


@dataclass(frozen=True, slots=True)
class Node:
    """A point of the grid; `parent` is the id of the node towards the station, None for the root."""

    id: str
    parent: str | None


@dataclass(frozen=True, slots=True)
class Limit:
    """What may pass a node: `-export_kw <= uncontrolled_kw + assets below <= import_kw`.

    `import_kw` and `export_kw` are not negative; None is no limit in that direction. `uncontrolled_kw` is the net load
    this limit counts beside the assets: a cable's limit counts neighbours who are not members, a contract's does not.
    """

    node: str
    import_kw: float | None = None
    export_kw: float | None = None
    layer: Layer = Layer.CONTRACT
    uncontrolled_kw: float = 0.0


@dataclass(frozen=True, slots=True)
class Asset:
    """Something that takes a setpoint between `min_kw` and `max_kw`, and would rather be at `target_kw`.

    `order_down` and `order_up` are its classes: when net consumption must fall (rise), the lowest `order_down`
    (`order_up`) moves first. Within a class, deviations from target are in the ratio of the weights (weight > 0).
    A target outside the box is taken at the nearest bound.
    """

    id: str
    node: str
    min_kw: float
    max_kw: float
    target_kw: float = 0.0
    weight: float = 1.0
    order_down: int = 0
    order_up: int = 0
