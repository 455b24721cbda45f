"""Profiles and sessions of the small park as files, said in few words."""

from connectors.simulation.instants import as_utc, instant_us
from connectors.simulation.profile_checks import check_profiles, cut
from connectors.simulation.profile_file import read_table
from tests.streams.small_park import small_hub

NOON = "2026-06-21T12:00Z"
NOON_US = instant_us(NOON)
MINUTE_US = 60_000_000


def minutes(count, *, cells=("0",), at_us=NOON_US, step_us=MINUTE_US):
    """Rows of `count` steps with the same cells."""
    return [",".join([as_utc(at_us + at * step_us), *cells]) for at in range(count)]


def written(path, header, rows):
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def checked(path, *, from_us=NOON_US, until_us=NOON_US + 5 * MINUTE_US, hub=None, with_sessions=()):
    table = read_table(path)
    powers = check_profiles(table, hub or small_hub(), with_sessions=with_sessions)
    return cut(powers, file=path.name, from_us=from_us, until_us=until_us)
