import threading

import pytest

from infra.services import FolderUnreachableError, KafkaService
from lusbalans.environment import InterruptedStartError, start_environment

pytestmark = pytest.mark.services


def start(folder, stop=None, said=None):
    said = [] if said is None else said
    return start_environment(folder, "postgresql", stop=stop or threading.Event(), on_progress=said.append)


@pytest.fixture
def folder(services_folder, request):
    """A folder of its own that the database's user may enter."""
    own = services_folder / request.node.name[:40].strip("[]")
    own.mkdir(mode=0o755)
    return own


def test_broker_and_database_come_ready_and_go(folder):
    environment = start(folder)
    assert isinstance(environment.kafka, KafkaService)
    assert environment.kafka.running
    assert environment.database.running
    environment.stop()
    assert not environment.kafka.running
    assert not environment.database.running


def test_when_one_cannot_be_had_the_other_is_not_left_running_and_nobody_else_is_stopped(folder, postgres):
    (folder / "kafka").write_text("a file in the place of the folder")
    with pytest.raises(FolderUnreachableError, match="kafka"):
        start(folder)
    (folder / "kafka").unlink()
    start(folder).stop()
    assert postgres.running


def test_an_interrupted_start_leaves_nothing_running(folder):
    stop = threading.Event()
    stop.set()
    with pytest.raises(InterruptedStartError):
        start(folder, stop)
    start(folder).stop()
