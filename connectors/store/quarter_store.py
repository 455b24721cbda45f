"""Recomputes stored quarters from the stored readings around their boundaries, by index look-ups."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg
from psycopg import sql

from connectors.store.quarter_plan import PointQuarter
from connectors.store.rows import BAD_QUALITY
from hub.quarter_figures import BOUNDARY_GAP_US, RegisterEdges, quarter_figures
from hub.quarters import QUARTER_US, RegisterReading

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_GAP: Final = timedelta(microseconds=BOUNDARY_GAP_US)
_QUARTER: Final = timedelta(microseconds=QUARTER_US)

# `oldest` and `newest` say again for the whole batch what the windows say for each quarter: only those are constants
# by which the planner leaves out days.
_EDGES: Final = sql.SQL(
    """
    with reading as not materialized (
        select point_id, measured_at as at, {register} as wh
        from telemetry
        where measured_at >= %(oldest)s and measured_at < %(newest)s and {register} is not null and quality <> %(bad)s
    ), wanted as (
        select point_id, begins, begins + %(quarter)s as ends, position
        from unnest(%(points)s::integer[], %(starts)s::timestamptz[]) with ordinality given (point_id, begins, position)
    )
    select before.at, before.wh, first.at, first.wh, last.at, last.wh, after.at, after.wh
    from wanted
    left join lateral (
        select at, wh from reading
        where point_id = wanted.point_id and at >= begins - %(gap)s and at < begins order by at desc limit 1
    ) before on true
    left join lateral (
        select at, wh from reading
        where point_id = wanted.point_id and at >= begins and at < ends order by at limit 1
    ) first on true
    left join lateral (
        select at, wh from reading
        where point_id = wanted.point_id and at >= begins and at < ends order by at desc limit 1
    ) last on true
    left join lateral (
        select at, wh from reading
        where point_id = wanted.point_id and at >= ends and at < ends + %(gap)s order by at limit 1
    ) after on true
    order by position
    """
)

_COUNTS: Final = """
    select (
        select count(*)
        from telemetry
        where point_id = given.point_id and measured_at >= begins and measured_at < begins + %(quarter)s
          and measured_at >= %(oldest)s and measured_at < %(newest)s
          and (energy_import_wh is not null or energy_export_wh is not null) and quality <> %(bad)s
    )
    from unnest(%(points)s::integer[], %(starts)s::timestamptz[]) with ordinality given (point_id, begins, position)
    order by position
    """

_UPSERT: Final = """
    insert into quarter (point_id, quarter_start, energy_import_wh, energy_export_wh, coverage_ratio,
                         readings_count, complete, register_went_back)
    select * from unnest(
        %s::integer[], %s::timestamptz[], %s::bigint[], %s::bigint[], %s::double precision[],
        %s::integer[], %s::boolean[], %s::boolean[])
    on conflict (point_id, quarter_start) do update set
        energy_import_wh = excluded.energy_import_wh,
        energy_export_wh = excluded.energy_export_wh,
        coverage_ratio = excluded.coverage_ratio,
        readings_count = excluded.readings_count,
        complete = excluded.complete,
        register_went_back = excluded.register_went_back
    where excluded.complete or not quarter.complete
    """


def recompute(connection: psycopg.Connection, quarters: Collection[PointQuarter]) -> None:
    """Recompute and upsert these quarters inside the caller's transaction; a quarter without readings gets no row.

    A complete figure is never replaced by a provisional one: readings are only ever added, so that can only happen
    when old telemetry has been dropped, and then the older figure is the better one.
    """
    if not quarters:
        return
    ordered = sorted(quarters)
    starts = [_instant(start_us) for _, start_us in ordered]
    wanted = {
        "points": [point for point, _ in ordered],
        "starts": starts,
        "oldest": min(starts) - _GAP,
        "newest": max(starts) + _QUARTER + _GAP,
        "quarter": _QUARTER,
        "gap": _GAP,
        "bad": BAD_QUALITY,
    }
    of_import = _read_edges(connection, "energy_import_wh", wanted)
    of_export = _read_edges(connection, "energy_export_wh", wanted)
    counts = connection.execute(_COUNTS, wanted).fetchall()
    upserts = []
    for (point, start_us), energy_import, energy_export, (count,) in zip(
        ordered, of_import, of_export, counts, strict=True
    ):
        figures = quarter_figures(start_us, energy_import, energy_export)
        if count or figures.coverage_ratio > 0:
            energy_wh = figures.energy_import_wh, figures.energy_export_wh
            flags = figures.complete, figures.register_went_back
            upserts.append((point, _instant(start_us), *energy_wh, figures.coverage_ratio, count, *flags))
    if upserts:
        connection.execute(_UPSERT, [list(column) for column in zip(*upserts, strict=True)])


def read_provisional(connection: psycopg.Connection) -> list[PointQuarter]:
    """Quarters of the newest day on record that are not complete: what a killed recorder may have left behind."""
    rows = connection.execute(
        """
        select point_id, quarter_start from quarter
        where not complete and quarter_start > (select max(quarter_start) from quarter) - interval '1 day'
        """
    ).fetchall()
    return [(point, _at_us(start)) for point, start in rows]


def _read_edges(connection: psycopg.Connection, register: str, wanted: dict[str, object]) -> list[RegisterEdges]:
    rows = connection.execute(_EDGES.format(register=sql.Identifier(register)), wanted).fetchall()
    return [
        RegisterEdges(before=_pair(*row[:2]), first=_pair(*row[2:4]), last=_pair(*row[4:6]), after=_pair(*row[6:]))
        for row in rows
    ]


def _pair(at: datetime | None, register_wh: int | None) -> RegisterReading | None:
    return None if at is None or register_wh is None else RegisterReading(_at_us(at), register_wh)


def _instant(at_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at_us)


def _at_us(instant: datetime) -> int:
    """Exact, as a float of seconds would not be."""
    return (instant - _EPOCH) // timedelta(microseconds=1)
