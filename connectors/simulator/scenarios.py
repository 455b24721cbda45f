"""What the simulated park lives through: which moment of the measured year "now" is, and how it starts. Data only."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final


class ScenarioError(ValueError):
    """No scenario is called so; one line that names those there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One row of the table."""

    name: str
    begins: datetime
    """Moment of the profile year (UTC) that the start of the simulation stands for."""
    soc_first_ratio: float
    """State of charge of the first battery of the hub folder at the start; the others lie evenly up to the last's."""
    soc_last_ratio: float
    cloud_depth_ratio: float
    """How much of the light a cloud takes: the measured mean stays, seconds vary around it."""
    meaning: str
    """What it shows, for people."""

    @property
    def begins_us(self) -> int:
        """The moment in microseconds since the epoch."""
        return round(self.begins.timestamp()) * 1_000_000


_TABLE: Final = (
    Scenario(
        name="sunny-noon",
        begins=datetime(2016, 5, 1, 10, 45, tzinfo=UTC),
        soc_first_ratio=0.985,
        soc_last_ratio=0.90,
        cloud_depth_ratio=0.05,
        meaning="a sunny Sunday: the roofs make more than the park uses, so zero export binds: batteries charge first, PV is curtailed last",
    ),
    Scenario(
        name="winter-evening",
        begins=datetime(2016, 1, 21, 15, 30, tzinfo=UTC),
        soc_first_ratio=0.60,
        soc_last_ratio=0.80,
        cloud_depth_ratio=0.3,
        meaning="a cold working day, no sun: import limits bind: chargers give way, batteries discharge",
    ),
    Scenario(
        name="cloudy",
        begins=datetime(2016, 5, 29, 10, 45, tzinfo=UTC),
        soc_first_ratio=0.50,
        soc_last_ratio=0.95,
        cloud_depth_ratio=0.75,
        meaning="broken clouds over a sunny Sunday: cloud edges cross the park and batteries follow them",
    ),
)

SCENARIOS: Final[Mapping[str, Scenario]] = {scenario.name: scenario for scenario in _TABLE}

DEFAULT: Final = "sunny-noon"


def scenario_named(name: str) -> Scenario:
    """Return a scenario.

    Raises:
        ScenarioError: there is none of that name.
    """
    scenario = SCENARIOS.get(name)
    if scenario is None:
        raise ScenarioError(f"no scenario {name!r}: there are {', '.join(SCENARIOS)}")
    return scenario
