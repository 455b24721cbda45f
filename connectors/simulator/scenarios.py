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
    cars: datetime
    """Moment of the measured sessions (UTC) that the start stands for: other people's cars than those of that hour."""
    load_ratio: float
    """What the companies use, over what was measured."""
    soc_first_ratio: float
    """State of charge of the first battery of the hub folder at the start; the others lie evenly up to the last's."""
    soc_last_ratio: float
    cloud_depth_ratio: float
    """How much of the light a cloud takes: the measured mean stays, seconds vary around it."""
    meaning: str
    """What it shows, for people."""
    unrest_ratio: float = 1.0
    """How much loads vary from second to second around what was measured, over what machines do; 0 is not at all."""

    @property
    def begins_us(self) -> int:
        """Moment of the profiles in microseconds since the epoch."""
        return round(self.begins.timestamp()) * 1_000_000

    @property
    def cars_us(self) -> int:
        """Moment of the sessions in microseconds since the epoch."""
        return round(self.cars.timestamp()) * 1_000_000


_TABLE: Final = (
    Scenario(
        name="sunny-noon",
        begins=datetime(2016, 5, 1, 11, 45, tzinfo=UTC),
        cars=datetime(2016, 5, 19, 4, 30, tzinfo=UTC),
        load_ratio=1.0,
        soc_first_ratio=0.995,
        soc_last_ratio=0.96,
        cloud_depth_ratio=0.05,
        meaning="a sunny Sunday: the roofs make more than the park uses, so zero export binds: "
        "batteries charge first, PV is curtailed last",
    ),
    Scenario(
        name="winter-evening",
        begins=datetime(2016, 12, 13, 15, 0, tzinfo=UTC),
        cars=datetime(2016, 5, 31, 5, 0, tzinfo=UTC),
        load_ratio=1.15,
        soc_first_ratio=0.60,
        soc_last_ratio=0.80,
        cloud_depth_ratio=0.3,
        meaning="a December evening, 15 % above the measured one, no sun, vans come home to charge: "
        "import limits bind: chargers give way first, and batteries discharge where that is not enough",
    ),
    Scenario(
        name="cloudy",
        begins=datetime(2016, 5, 29, 11, 45, tzinfo=UTC),
        cars=datetime(2016, 5, 19, 6, 0, tzinfo=UTC),
        load_ratio=1.2,
        soc_first_ratio=0.50,
        soc_last_ratio=0.90,
        cloud_depth_ratio=0.4,
        meaning="broken clouds over a sunny day, a fifth more load than measured: the park swings between import and export "
        "as fast as its margin is made for (20 kW/s), and batteries follow",
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
