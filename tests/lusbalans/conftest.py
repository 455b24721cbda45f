import uuid

import pytest
from click.testing import CliRunner

from connectors.topic_admin import ensure_topics
from lusbalans.cli import main
from tests.faults.park import copy_hub


@pytest.fixture
def hub_dir(tmp_path):
    """De Koumen under an id of its own: tests share a broker."""
    return copy_hub(tmp_path, f"park-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def caller(kafka, hub_dir):
    """Makes what runs one group of commands, on its topic, for that park."""

    def of(group, topic):
        ensure_topics(kafka.bootstrap, [topic])

        def run(*words):
            at = ["--hub", str(hub_dir), "--bootstrap", kafka.bootstrap]
            return CliRunner().invoke(main, [group, words[0], *at, *words[1:]])

        return run

    return of
