"""What a fault test measured, as a row of the table in `docs/reference/faults.md`: `make faults` prints them all."""

from collections.abc import Iterable

from tests.soak.judging import percentile


def row(fault: str, defence: str, **measured: str) -> None:
    """Print one row; measures are words by name."""
    told = "; ".join(f"{name.replace('_', ' ')} {words}" for name, words in measured.items())
    print(f"\n| {fault} | {defence} | {told} |")


def spread(values: Iterable[float], unit: str = "s") -> str:
    """Median, 99th percentile and largest.

    >>> spread([0.5, 1.0, 4.25])
    'p50 1.0, p99 4.2, max 4.2 s'
    """
    known = list(values)
    return f"p50 {percentile(known, 0.5):.1f}, p99 {percentile(known, 0.99):.1f}, max {max(known):.1f} {unit}"
