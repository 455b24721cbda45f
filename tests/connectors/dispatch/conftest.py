from pathlib import Path

import pytest

from hub.folder import read_hub
from hub.model import Hub

DE_KOUMEN = Path(__file__).parents[3] / "infra" / "hubs" / "de-koumen"


@pytest.fixture(scope="session")
def de_koumen() -> Hub:
    return read_hub(DE_KOUMEN)
