import signal

import pytest

from infra.services.database import copy_programs, postgresql_programs
from infra.services.process import Program, run_to_end


@pytest.mark.services
def test_copied_programs_find_their_libraries(tmp_path):
    wheel = postgresql_programs(tmp_path, tmp_path).folder.parents[1]
    place = copy_programs(wheel, tmp_path / "copy")
    psql = Program("psql", (str(place / "pginstall" / "bin" / "psql"), "--version"), tmp_path, signal.SIGTERM)
    run_to_end(psql, timeout_s=10.0)
    assert psql.log_file.read_text().startswith("psql (PostgreSQL)")
