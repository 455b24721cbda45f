"""How far above a limit power may be for how long before a grid-protection relay trips (ZIEHL EFR4001IP)."""

from typing import Final

TOLERANCE: Final = ((1.02, 10.0), (1.067, 3.0), (1.69, 0.1))
"""Times the limit, and for how many seconds that is borne. A limit of zero has no multiples: whoever judges it says what
counts."""
