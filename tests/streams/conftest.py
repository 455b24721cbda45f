from pathlib import Path

import pytest

from hub.folder import read_hub


@pytest.fixture(scope="session")
def de_koumen():
    return read_hub(Path(__file__).parents[2] / "infra" / "hubs" / "de-koumen")
