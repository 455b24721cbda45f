"""What must hold between the rows of a hub folder, as a table of rules.

The tree follows from the ring order of the sections, so it cannot hold a cycle as long as every id is unique; that is
what the first rules are for.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from hub.draft import Draft, written_id
from hub.errors import HubError
from hub.model import GROUP, PARK, STATION, AssetKind
from hub.rows import Row, unknown_name

FolderRule = Callable[[Draft], Iterator[HubError]]


def ids_are_unique(draft: Draft) -> Iterator[HubError]:
    """No two nodes or assets share an id: telemetry, limits and setpoints are addressed by it alone."""
    named: list[tuple[Row, str]] = [(row, "id") for row in (*draft.park.grid_loops, *draft.sections)]
    named += [(rows[0], "micro_group") for rows in draft.micro_groups.values()]
    named += [(row, "ean") for row in draft.connections]
    named += [(row, "id") for row in draft.assets]
    seen: dict[str, str] = dict.fromkeys((PARK, GROUP, STATION), "a name that is always taken")
    for row, column in named:
        name = written_id(row, column)
        if name in seen:
            yield row.error(column, f"{name!r} is there already: {seen[name]}", "give each its own id")
        seen.setdefault(name, f"{row.file} {'line' if row.path else 'row'} {row.number}")


def open_points_exist(draft: Draft) -> Iterator[HubError]:
    """The open point lies between two sections or at an end."""
    for loop, sections in zip(draft.park.grid_loops, draft.park.sections, strict=True):
        if loop.has(("open_after",)) and loop.values["open_after"] > len(sections):
            problem = f"{loop.values['open_after']} is more than the {len(sections)} sections there are"
            yield loop.error("open_after", problem, f"write 0 to {len(sections)}")


def positions_can_be_taken(draft: Draft) -> Iterator[HubError]:
    """Each permitted position lies on the ring, the present one is among them, and a whole ring on one feeder is limited."""
    for loop, sections, rows in zip(draft.park.grid_loops, draft.park.sections, draft.park.positions, strict=True):
        seen: set[object] = set()
        for row in rows:
            at = row.values.get("open_after")
            if at is not None and at > len(sections):
                yield row.error(
                    "open_after", f"{at} is more than the {len(sections)} sections", f"0 to {len(sections)}"
                )
            elif at in seen:
                yield row.error("open_after", f"{at} is stated already", "remove one of them")
            elif at in {0, len(sections)}:
                for column in ("import_kw", "export_kw"):
                    if column in row.values and row.values[column] is None:
                        problem = "the whole ring would hang on one feeder without a limit of its own"
                        yield row.error(column, problem, "state what the grid operator allows then")
            seen.add(at)
        here = loop.values.get("open_after")
        if rows and here is not None and here not in seen:
            yield loop.error("open_after", f"{here} is none of the positions", f"add {{ open_after = {here}, ... }}")


def connections_have_a_place(draft: Draft) -> Iterator[HubError]:
    """Every connection hangs on a section of its grid loop."""
    sections_of = {
        written_id(loop, "id"): [written_id(section, "id") for section in sections]
        for loop, sections in zip(draft.park.grid_loops, draft.park.sections, strict=True)
    }
    for row in draft.connections:
        loop, section = row.values.get("grid_loop"), row.values.get("section")
        if loop is not None and loop not in sections_of:
            yield row.error("grid_loop", *unknown_name(loop, sections_of))
        elif loop is not None and section is not None and section not in sections_of[loop]:
            yield row.error("section", *unknown_name(section, sections_of[loop]))


def assets_have_a_connection(draft: Draft) -> Iterator[HubError]:
    """Every asset lies behind a connection that exists."""
    known = {written_id(row, "ean") for row in draft.connections}
    for row in draft.assets:
        if "ean" in row.values and row.values["ean"] not in known:
            remedy = "add the connection to connections.csv, or compare the digits"
            yield row.error("ean", f"no connection {row.values['ean']}", remedy)


def only_members_are_controlled(draft: Draft) -> Iterator[HubError]:
    """A controllable asset belongs to a member: the group contract counts members only and must see what it moves."""
    outsiders = {
        row.values["ean"] for row in draft.connections if row.has(("ean",)) and row.values.get("member") is False
    }
    for row in draft.assets:
        kind: AssetKind | None = row.values.get("kind")
        if kind is not None and kind.controllable and row.values.get("ean") in outsiders:
            problem = f"a {kind} of a connection that is not a member"
            remedy = "make the connection a member, or remove the row: its meter counts the power anyway"
            yield row.error("ean", problem, remedy)


def micro_groups_are_laminar(draft: Draft) -> Iterator[HubError]:
    """A micro group lies within one section, so that limits form a tree wherever the ring is open."""
    for name, rows in draft.micro_groups.items():
        first = rows[0]
        for row in rows[1:]:
            here, there = (r.values.get("section") for r in (row, first))
            if here is not None and there is not None and here != there:
                problem = f"{name} crosses sections: {here} here, {there} in row {first.number}"
                yield row.error("micro_group", problem, "make it two groups, one per section")


def limits_have_a_node(draft: Draft) -> Iterator[HubError]:
    """A limit is stated once for a node that exists."""
    nodes = _node_ids(draft)
    seen: dict[tuple[object, ...], Row] = {}
    for row in draft.park.limits:
        node = row.values.get("node")
        if node is not None and node not in nodes:
            yield row.error("node", *unknown_name(node, sorted(nodes)))
        if row.has(("node", "layer", "judged")):
            key = (node, row.values["layer"], row.values["judged"])
            if key in seen:
                yield row.error("node", f"stated already in line {seen[key].number}", "remove one of them")
            seen.setdefault(key, row)


def statements_have_a_node(draft: Draft) -> Iterator[HubError]:
    """A step, an envelope and what is accepted are stated once for a node that exists."""
    nodes = _node_ids(draft)
    for rows in (draft.park.steps, draft.park.accepted, draft.envelope):
        seen: set[object] = set()
        for row in rows:
            node = row.values.get("node")
            if node is not None and node not in nodes:
                yield row.error("node", *unknown_name(node, sorted(nodes)))
            if node is not None and node in seen:
                yield row.error("node", f"{node} is stated already", "remove one of them")
            seen.add(node)


def _node_ids(draft: Draft) -> set[str]:
    loops = [written_id(row, "id") for row in draft.park.grid_loops]
    return {
        PARK,
        GROUP,
        *loops,
        *(f"{loop}/{arm}" for loop in loops for arm in "ab"),
        *(written_id(row, "id") for row in draft.sections),
        *draft.micro_groups,
        *(written_id(row, "ean") for row in draft.connections),
    }


def park_is_limited(draft: Draft) -> Iterator[HubError]:
    """The boundary has a limit in both directions: without one nothing guards the station."""
    for column in ("import_kw", "export_kw"):
        if _tightest(draft.park.limits, PARK, column) is None:
            problem = "the park has no such limit"
            yield HubError(
                "hub.toml", None, f"limits.{column}", problem, f'add [[limits]] with node = "{PARK}" and {column}'
            )


def fallback_fits(draft: Draft) -> Iterator[HubError]:
    """Fallback shares keep every limit above them without a hub agent: their sum the park's, each its loop's, wherever that is open (R4)."""
    positions_of = {
        id(loop): rows for loop, rows in zip(draft.park.grid_loops, draft.park.positions, strict=True)
    }  # fmt: skip
    for column, direction, sign in (("fallback_max_kw", "import_kw", 1), ("fallback_min_kw", "export_kw", -1)):
        loops = [row for row in draft.park.grid_loops if row.has((column,))]
        total_kw = sign * sum(row.values[column] for row in loops)
        park_kw = _tightest(draft.park.limits, PARK, direction)
        if loops and park_kw is not None and not total_kw <= park_kw:
            problem = f"the shares of all loops sum up to {total_kw:g} kW, above the park's {direction} {park_kw:g}"
            yield loops[-1].error(column, problem, "bring the shares closer to 0")
        for row in loops:
            limit_kw = _tightest(draft.park.limits, written_id(row, "id"), direction)
            share_kw = sign * row.values[column]
            if limit_kw is not None and not share_kw <= limit_kw:
                yield row.error(column, f"{share_kw:g} kW is above the loop's own {direction} {limit_kw:g}", "lower it")
            for position in positions_of[id(row)]:
                limit_kw = position.values.get(direction)
                if limit_kw is not None and not share_kw <= limit_kw:
                    problem = (
                        f"{limit_kw:g} kW is below the loop's fallback share of {share_kw:g}, which holds anywhere"
                    )
                    yield position.error(direction, problem, f"bring {column} closer to 0")


def _tightest(limits: Iterable[Row], node: str, column: str) -> float | None:
    values = [row.values.get(column) for row in limits if row.values.get("node") == node]
    return min((value for value in values if value is not None), default=None)


def sectors_have_a_profile(draft: Draft) -> Iterator[HubError]:
    """Where the park is simulated, every sector has a load profile."""
    sectors = draft.park.sectors
    if sectors is None:
        return
    for row in draft.connections:
        sector = row.values.get("sector")
        if sector is not None and sector not in sectors.written:
            problem, remedy = unknown_name(sector, sectors.written)
            yield row.error("sector", problem, f"{remedy} (or add it to [profiles.sectors])")


FOLDER_RULES: Final[tuple[FolderRule, ...]] = (
    ids_are_unique,
    open_points_exist,
    positions_can_be_taken,
    connections_have_a_place,
    assets_have_a_connection,
    only_members_are_controlled,
    micro_groups_are_laminar,
    limits_have_a_node,
    statements_have_a_node,
    park_is_limited,
    fallback_fits,
    sectors_have_a_profile,
)
