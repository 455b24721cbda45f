"""One measured figure beside what it must at least reach and what is aimed at."""

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Figure:
    """`at_least` and `aim` are None for a figure that is only told."""

    figure: str
    value: float
    unit: str
    better: Literal["higher", "lower"]
    at_least: float | None = None
    aim: float | None = None

    def reaches(self, mark: float | None) -> bool:
        if mark is None:
            return True
        return self.value >= mark if self.better == "higher" else self.value <= mark

    @property
    def reached(self) -> bool:
        return self.reaches(self.at_least)

    def row(self) -> dict[str, Any]:
        return {
            "figure": self.figure,
            "value": self.value,
            "better": self.better,
            "at_least": self.at_least,
            "aim": self.aim,
            "unit": self.unit,
        }

    def line(self) -> str:
        verdict = "" if self.at_least is None else "MISSED" if not self.reached else "ok"
        if self.aim is not None and self.reaches(self.aim):
            verdict = "aim"
        sign = ">=" if self.better == "higher" else "<="
        marks = "" if self.at_least is None else f"{sign} {self.at_least:g}, aim {self.aim:g}"
        return f"{self.figure:<62} {self.value:>12.4g} {self.unit:<12} {marks:<24} {verdict}"
