"""How much of the soak runs: a tenth in `make test`, all of it in `make soak`."""

import os

import pytest

TENTH = 0.1


@pytest.fixture(scope="session")
def scale() -> float:
    """Share of the full soak's counts and hours, from LUSBALANS_SOAK: 1.0 is all of it."""
    return float(os.environ.get("LUSBALANS_SOAK", TENTH))
