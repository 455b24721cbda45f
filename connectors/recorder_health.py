"""Health of the recorder from its own progress: stuck, or only without a database, a broker or the right to write."""

import time
from collections.abc import Callable
from typing import Final

from connectors.recorder import RecorderProgress
from infra.health import Check, Health, fresh_after_grace

STUCK_S: Final = 60.0
"""A turn of the loop takes a second; a transaction on a slow disk, or a broker that is away, tens of seconds."""

_GRACE_S: Final = 60.0
"""The broker and its topics may come later than the recorder (R13)."""


def health_of(progress: RecorderProgress) -> Callable[[], Health]:
    """Return what the recorder says of itself when asked; from any thread."""
    started_s = time.monotonic()

    def health() -> Health:
        now_s = time.monotonic()
        turned_s = progress.last_turn_monotonic_s
        turn = fresh_after_grace(
            "turn",
            now_s - turned_s if turned_s else None,
            max_age_s=STUCK_S,
            uptime_s=now_s - started_s,
            grace_s=_GRACE_S,
        )
        reached = bool(progress.edition) and not progress.database_away
        database = Check("database", reached, progress.edition or "not reached yet")
        writing = Check("writing", not progress.standing_by, "another recorder writes" if progress.standing_by else "")
        return Health(progress=(turn,), duty=(database, writing))

    return health
