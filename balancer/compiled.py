"""How the inner loops are compiled: numba, cached where a cache can be written.

The folder of the cache is `NUMBA_CACHE_DIR`, which the process sets before it imports this package; name it after the
installed version, since numba looks only at the file of a function, not at the files of the functions it calls.
Without a writable folder the loops are compiled anew in each process (some seconds) and work the same.
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numba

P = ParamSpec("P")
R = TypeVar("R")


REORDERED = {"reassoc", "nsz", "contract"}
"""Sums may be taken in another order, the same at each run; NaN and infinity keep their meaning."""


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a loop over arrays to machine code at its first call, several elements at a time where it can be."""
    try:
        return numba.njit(cache=True, error_model="numpy", fastmath=REORDERED)(function)
    except RuntimeError:  # numba found no folder it may write to
        return numba.njit(error_model="numpy", fastmath=REORDERED)(function)


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """Compile into each caller: for steps of a hot loop that take arrays, whose passing costs more than the step."""
    return numba.njit(error_model="numpy", fastmath=REORDERED, inline="always")(function)
