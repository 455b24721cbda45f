"""Finds the lines of keys in a TOML file, which `tomllib` does not tell.

For error messages only: it looks at how lines begin. Where a file is laid out in a way it does not follow, a key is
reported at the line of the table it is in.
"""

import re
from typing import Final

_ARRAY_OF_TABLES: Final = re.compile(r"\s*\[\[\s*([\w.-]+)\s*\]\]")
_TABLE: Final = re.compile(r"\s*\[\s*([\w.-]+)\s*\]")
_KEY: Final = re.compile(r"\s*([\w-]+)\s*=\s*(\[?)([^#]*)")
_ITEM: Final = re.compile(r"\s*\{")
_ARRAY_END: Final = re.compile(r"\s*\]")


def find_lines(text: str) -> dict[str, int]:
    r"""Line, from 1, of each table, item and key by its path; items of arrays are numbered from 0.

    >>> find_lines('[[limits]]\nnode = "park"\n')
    {'limits[0]': 1, 'limits[0].node': 2}
    """
    lines: dict[str, int] = {}
    counts: dict[str, int] = {}
    table, array = "", ""
    for number, line in enumerate(text.splitlines(), start=1):
        if array and not _ARRAY_END.match(line):
            if _ITEM.match(line):
                lines.setdefault(f"{array}[{_next(counts, array)}]", number)
            continue
        array = ""
        if match := _ARRAY_OF_TABLES.match(line):
            name = _resolve(match[1], counts)
            table = f"{name}[{_next(counts, name)}]"
            lines[table] = number
        elif match := _TABLE.match(line):
            table = _resolve(match[1], counts)
            lines[table] = number
        elif match := _KEY.match(line):
            key = f"{table}.{match[1]}" if table else match[1]
            lines.setdefault(key, number)
            if match[2] and "]" not in match[3]:
                array = key
    return lines


def _next(counts: dict[str, int], name: str) -> int:
    counts[name] = counts.get(name, -1) + 1
    return counts[name]


def _resolve(name: str, counts: dict[str, int]) -> str:
    """Path of a dotted table name: a part that is an array of tables means its last item."""
    *parents, last = name.split(".")
    path = ""
    for part in parents:
        path = f"{path}.{part}" if path else part
        if path in counts:
            path = f"{path}[{counts[path]}]"
    return f"{path}.{last}" if path else last
