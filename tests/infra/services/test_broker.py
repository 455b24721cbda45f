import pytest

from infra.services.broker import fingerprint
from infra.services.folder import default_cache_folder
from infra.services.jars import Jar, ensure_jars, read_lock
from infra.services.kafka import KafkaService


def test_a_recording_serves_one_set_of_archives_in_one_order():
    one, other = Jar("a:b:1", "00"), Jar("a:c:1", "11")
    assert len({fingerprint([one, other]), fingerprint([other, one]), fingerprint([one])}) == 3


@pytest.mark.services
def test_a_damaged_recording_of_a_start_does_no_harm(services_folder, tmp_path):
    damaged = tmp_path / "damaged.aot"
    damaged.write_bytes(b"not a recording")
    jars = ensure_jars(read_lock(), default_cache_folder(), on_progress=print)
    options = (f"-XX:AOTCache={damaged}",)
    with KafkaService(services_folder / "damaged", jars=jars, java_options=options, on_progress=print) as broker:
        assert broker.running
