"""Quarter-hours and what a meter's registers say about them.

The one place where quarter energy is computed: the streams' fold, the recorder, the simulator's ledger and the
summary all call it, so that they agree to the watt-hour. A quarter is a fixed clock window in UTC (:00, :15, :30,
:45), never rolling. All instants are integer microseconds since the epoch, all registers whole watt-hours.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

QUARTER_US: Final = 15 * 60 * 1_000_000

Ints = int | NDArray[np.int64]


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


def registers_at_wh(
    boundary_us: Ints, *, before_us: Ints, before_wh: Ints, after_us: Ints, after_wh: Ints
) -> NDArray[np.int64]:
    """Registers at a boundary, interpolated between the readings around it and rounded down to whole Wh.

    All arguments broadcast. Integer arithmetic, so that every process computes the same figure; time enters in whole
    milliseconds, so that a week's gap on a 100 MW meter still fits 64 bits. Rounding at the boundary, not per
    quarter, makes neighbouring quarters add up to the register's own difference exactly.

    >>> registers_at_wh(10_000, before_us=8_000, before_wh=100, after_us=12_000, after_wh=107).item()
    103
    """
    before_us, before_wh = np.asarray(before_us, np.int64), np.asarray(before_wh, np.int64)
    span_ms = np.maximum((np.asarray(after_us, np.int64) - before_us) // 1000, 1)
    passed_ms = np.clip((np.asarray(boundary_us, np.int64) - before_us) // 1000, 0, span_ms)
    registers: NDArray[np.int64] = before_wh + (np.asarray(after_wh, np.int64) - before_wh) * passed_ms // span_ms
    return registers


def register_at_wh(boundary_us: int, before: RegisterReading, after: RegisterReading) -> int:
    """`registers_at_wh` for one register.

    >>> register_at_wh(10_000, RegisterReading(8_000, 100), RegisterReading(12_000, 107))
    103
    """
    return int(
        registers_at_wh(
            boundary_us,
            before_us=before.at_us,
            before_wh=before.register_wh,
            after_us=after.at_us,
            after_wh=after.register_wh,
        )
    )
