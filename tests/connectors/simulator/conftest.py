from collections.abc import Callable
from dataclasses import replace

import pytest

from connectors.simulator.building import build_park
from connectors.simulator.park import Park
from connectors.simulator.scenarios import SCENARIOS
from hub.folder import read_hub
from hub.model import Hub
from hub.profiles import Profiles, read_profiles
from tests.connectors.simulator.park_words import DE_KOUMEN

BEGAN_US = 1_800_000_000_000_000


@pytest.fixture(scope="session")
def de_koumen() -> Hub:
    return read_hub(DE_KOUMEN)


@pytest.fixture(scope="session")
def profiles(de_koumen) -> Profiles:
    return read_profiles(DE_KOUMEN, de_koumen)


@pytest.fixture(scope="session")
def park_in(de_koumen, profiles) -> Callable[..., Park]:
    """The park De Koumen in a scenario; keyword arguments change the scenario."""

    def build(name: str, **changes) -> Park:
        scenario = replace(SCENARIOS[name], **changes)
        return build_park(de_koumen, profiles, scenario=scenario, began_us=BEGAN_US)

    return build


@pytest.fixture(scope="session")
def park(park_in) -> Park:
    return park_in("cloudy")
