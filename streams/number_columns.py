"""Columns of numbers out of JSON text: a compiled inner loop of `streams.frame_reader`.

Reads the plain way of writing a number only, exactly as any decoder would: up to 18 digits of a whole number, up to 15
of a real one, whose value is then a quotient of two exact floats. Everything else is left to the general decoder.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from balancer.compiled import compiled

# numba knows no keyword-only arguments, and its loops are told in one piece
# ruff: noqa: PLR0917, C901, PLR0911

Bytes = NDArray[np.uint8]

WHOLE: Final = 0
REAL: Final = 1
NULLABLE: Final = 2
"""What a column holds; `NULLABLE` beside either."""

WHOLE_DIGITS: Final = 18
"""More may not fit 64 bits."""

REAL_DIGITS: Final = 15
"""More may not fit a float, and the quotient would be rounded twice."""

_TENS: Final = np.array([10.0**power for power in range(REAL_DIGITS + 1)])
_ZERO, _NINE, _MINUS, _DOT, _COMMA, _CLOSE = (ord(sign) for sign in "09-.,]")
_N, _U, _L = (ord(letter) for letter in "nul")


@compiled
def read_number(text: Bytes, at: int, kind: int) -> tuple[int, float]:
    """The number at a place and where it ends; -1 where none is written in the plain way. Null is NaN."""
    size = text.size
    if at + 3 < size and text[at] == _N:
        if kind & NULLABLE and text[at + 1] == _U and text[at + 2] == _L and text[at + 3] == _L:
            return at + 4, np.nan
        return -1, 0.0
    negative = at < size and text[at] == _MINUS
    if negative:
        at += 1
    first = at
    digits = 0
    while at < size and _ZERO <= text[at] <= _NINE:
        digits = digits * 10 + (text[at] - _ZERO)
        at += 1
        if at - first > WHOLE_DIGITS:
            return -1, 0.0
    if at == first or (text[first] == _ZERO and at > first + 1):
        return -1, 0.0
    n_digits = at - first
    behind = 0
    if kind & REAL and at < size and text[at] == _DOT:
        at += 1
        while at < size and _ZERO <= text[at] <= _NINE and n_digits <= REAL_DIGITS:
            digits = digits * 10 + (text[at] - _ZERO)
            n_digits += 1
            behind += 1
            at += 1
        if behind == 0:
            return -1, 0.0
    if kind & REAL and n_digits > REAL_DIGITS:
        return -1, 0.0
    value = np.float64(digits) / _TENS[behind]
    return at, -value if negative else value


@compiled
def read_columns(
    text: Bytes,
    at: int,
    names: Bytes,
    name_ends: NDArray[np.int64],
    kinds: NDArray[np.int8],
    n_required: int,
    numbers: NDArray[np.float64],
) -> int:
    """Read one column after the other into `numbers` [n_columns, n_rows]; returns where they end, or -1.

    Each begins with its name, as it stands in `names` up to its `name_ends`. One that is empty, but for the first
    `n_required`, is missing throughout: NaN.
    """
    size, (n_columns, n_rows) = text.size, numbers.shape
    letter = 0
    for column in range(n_columns):
        while letter < name_ends[column]:
            if at >= size or text[at] != names[letter]:
                return -1
            letter += 1
            at += 1
        if at < size and text[at] == _CLOSE and column >= n_required:
            numbers[column, :] = np.nan
            at += 1
            continue
        for row in range(n_rows):
            at, numbers[column, row] = read_number(text, at, kinds[column])
            if at < 0 or at >= size or text[at] != (_COMMA if row < n_rows - 1 else _CLOSE):
                return -1
            at += 1
    return at
