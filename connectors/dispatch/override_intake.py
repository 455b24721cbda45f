"""What came of overrides: folded, and told where it changes how assets are kept."""

from collections.abc import Iterable, Mapping

import structlog

from connectors.dispatch.inbox import Received
from hub.overrides import Kept
from streams.override_entries import ParkOverrides
from streams.topics import key_of

_log = structlog.get_logger()


def take_overrides(
    overrides: ParkOverrides, records: Iterable[Received], *, hub_id: str, now_us: int
) -> Mapping[str, Kept] | None:
    """Take what came; answer how assets are kept now where that changed. What cannot be used the worker buries."""
    for received in records:
        if received.key.startswith(key_of(hub_id, "")):
            refused = overrides.fold(received.key, received.payload, received.headers)
            if refused is not None:
                _log.warning("override_refused", key=received.key.decode(errors="replace"), why=refused.detail)
    return overrides.due(now_us)
