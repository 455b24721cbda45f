"""Quarter-hours and what a meter's registers say about them.

The one place where quarter energy is computed: the streams' fold, the recorder, the simulator's ledger and the
summary all call it, so that they agree to the watt-hour. A quarter is a fixed clock window in UTC (:00, :15, :30,
:45), never rolling. All instants are integer microseconds since the epoch, all registers whole watt-hours.
"""

from dataclasses import dataclass
from typing import Final

QUARTER_US: Final = 15 * 60 * 1_000_000


def quarter_start_us(at_us: int) -> int:
    """Start of the quarter that holds `at_us`; an instant on the boundary starts its quarter.

    >>> quarter_start_us(900_000_000) == 900_000_000 == quarter_start_us(900_000_001)
    True
    """
    return at_us - at_us % QUARTER_US


@dataclass(frozen=True, slots=True)
class RegisterReading:
    """A cumulative register (A+ or A-) at one instant."""

    at_us: int
    register_wh: int


def register_at_wh(boundary_us: int, before: RegisterReading, after: RegisterReading) -> int:
    """The register at a boundary, interpolated between the readings around it and rounded down to a whole Wh.

    Integer arithmetic, so that every process computes the same figure. Rounding at the boundary, not per quarter,
    makes neighbouring quarters add up to the register's own difference exactly.

    >>> register_at_wh(10, RegisterReading(8, 100), RegisterReading(12, 107))
    103
    """
    span_us = after.at_us - before.at_us
    if span_us <= 0 or boundary_us <= before.at_us:
        return before.register_wh
    if boundary_us >= after.at_us:
        return after.register_wh
    gained_wh = after.register_wh - before.register_wh
    return before.register_wh + gained_wh * (boundary_us - before.at_us) // span_us
