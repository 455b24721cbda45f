"""What the recorder stored of one period, point by point: for whoever wants to play it again."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import psycopg

from connectors.simulation.recording import Recorded
from connectors.store.rows import BAD_QUALITY

EARLY_S: Final = 60
"""Readings from so long before the period tell what was held at its beginning."""

_QUERY: Final = """
select (extract(epoch from measured_at) * 1000000)::bigint, power_kw, min_kw, max_kw
from telemetry
where point_id = (select point_id from point join hub using (hub_id) where hub.name = %s and point.name = %s)
  and measured_at between to_timestamp(%s) and to_timestamp(%s)
  and quality <> %s
order by measured_at
"""


def read_recorded(
    connection: psycopg.Connection, hub_id: str, points: Sequence[str], *, from_us: int, until_us: int
) -> Iterator[tuple[str, Recorded]]:
    """The usable readings of each point; none for a point that was never recorded.

    Raises:
        psycopg.Error: the database cannot be read.
    """
    for point in points:
        span_s = (from_us / 1e6 - EARLY_S, until_us / 1e6)
        rows = connection.execute(_QUERY, (hub_id, point, *span_s, BAD_QUALITY)).fetchall()
        at_us = np.array([row[0] for row in rows], np.int64)
        powers_kw = np.array([row[1:] for row in rows], np.float64).reshape(-1, 3)
        yield point, Recorded(at_us=at_us, power_kw=powers_kw[:, 0], min_kw=powers_kw[:, 1], max_kw=powers_kw[:, 2])
