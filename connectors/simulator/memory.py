"""Registers that outlive the process: a real meter keeps its count when a gateway restarts, so the simulated ones do.

Written before the readings are published, so that no register is ever seen going back, not even after kill -9.
"""

from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from connectors.simulator.ledger import write_page
from connectors.simulator.park import Park, ParkState
from connectors.simulator.registers import Registers

FILE_NAME: Final = "simulator-registers.json"


class RegisterPage(msgspec.Struct, frozen=True):
    """Whole Wh by point; the rest below a Wh is not worth keeping."""

    import_wh: dict[str, int]
    export_wh: dict[str, int]


def page_of(park: Park, state: ParkState) -> RegisterPage:
    """What to keep of a state."""
    registers = state.registers
    return RegisterPage(
        dict(zip(park.point_ids, registers.import_wh.tolist(), strict=True)),
        dict(zip(park.point_ids, registers.export_wh.tolist(), strict=True)),
    )


def remembered(path: Path, park: Park, state: ParkState) -> ParkState:
    """The state with the registers the meters had before; points that were not there start at zero."""
    try:
        page = msgspec.json.decode(path.read_bytes(), type=RegisterPage)
    except (FileNotFoundError, msgspec.DecodeError):
        return state
    columns = [
        np.array([column.get(point_id, 0) for point_id in park.point_ids], dtype=np.int64)
        for column in (page.import_wh, page.export_wh)
    ]
    rest = np.zeros(len(park.point_ids), dtype=np.int64)
    return replace(state, registers=Registers(columns[0], columns[1], rest, rest))


def keep(path: Path, park: Park, state: ParkState) -> None:
    """Write the registers.

    Raises:
        OSError: the disk is full or gone.
    """
    write_page(path, page_of(park, state))
