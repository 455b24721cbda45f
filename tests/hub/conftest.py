import shutil
from pathlib import Path

import pytest

from hub.folder import read_hub
from hub.tree import build_tree

HUBS = Path(__file__).parents[2] / "infra" / "hubs"


@pytest.fixture
def folder(tmp_path):
    """A copy of the valid starter hub, to be spoilt."""
    return Path(shutil.copytree(HUBS / "starter", tmp_path / "hub"))


@pytest.fixture(scope="session")
def de_koumen():
    return read_hub(HUBS / "de-koumen")


@pytest.fixture(scope="session")
def de_koumen_tree(de_koumen):
    return build_tree(de_koumen)
