"""EAN-18: the number of a connection on the Dutch grid (GS1's GSRN: 17 digits and a check digit).

The digits in the middle say nothing that may be relied on (they are not decoded anywhere).
"""

import re
from typing import Final

EAN_DIGITS: Final = 18
_DIGITS: Final = re.compile(r"[0-9]+", re.ASCII)


def check_digit(body: str) -> int:
    """Return the GS1 check digit of the digits before it: weights 3, 1, 3, 1 … from the right, modulo 10.

    Holds for every GS1 number; the 13-digit code of Enexis serves as the example.

    >>> check_digit("871242301402")
    2

    Raises:
        ValueError: `body` is not ASCII digits.
    """
    if not _DIGITS.fullmatch(body):
        raise ValueError(f"{body!r} is not digits only")
    weighted = sum(int(digit) * (1 if at % 2 else 3) for at, digit in enumerate(reversed(body)))
    return -weighted % 10


def is_ean18(text: str) -> bool:
    """Whether `text` is 18 ASCII digits of which the last is the check digit.

    >>> is_ean18("871000000000000013"), is_ean18("871000000000000031")
    (True, False)
    """
    return len(text) == EAN_DIGITS and _DIGITS.fullmatch(text) is not None and check_digit(text[:-1]) == int(text[-1])
