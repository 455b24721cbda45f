"""What a payload says, by Python's own `json` alone: the judge of what the decoder made of it."""

import json
import math

import msgspec

MISSING = object()


class NotJsonError(ValueError):
    """The payload is not a JSON text in UTF-8."""


def read(payload: bytes):
    """The tree of a JSON text; of a field that comes twice the last counts.

    Raises:
        NotJsonError: it is none, or nested too deeply to be read.
    """
    try:
        return json.loads(payload.decode("utf-8"), parse_constant=_refuse, parse_int=_whole)
    except (ValueError, RecursionError) as error:
        raise NotJsonError(str(error)) from error


def _refuse(token: str) -> None:
    raise NotJsonError(f"{token} is not JSON")


def _whole(digits: str) -> int | float:
    """No number of ours is so long; Python would not read it either."""
    return int(digits) if len(digits) < 4000 else math.inf


def wrong(value: msgspec.Struct, tree: object) -> str:
    """Which field of an accepted message is not what the payload says; empty when all are."""
    if not isinstance(tree, dict):
        return f"made of a {type(tree).__name__}"
    for field in msgspec.structs.fields(value):
        mine, said = getattr(value, field.name), tree.get(field.name, MISSING)
        if said is MISSING:
            said = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
        if inner := _difference(mine, said):
            return f"{field.name}: {inner}"
    return ""


def _difference(mine, said) -> str:
    if mine is said is msgspec.UNSET:
        return ""
    if isinstance(mine, msgspec.Struct) and mine.__struct_config__.array_like:
        return _difference([getattr(mine, name) for name in mine.__struct_fields__], said)
    if isinstance(mine, msgspec.Struct):
        return wrong(mine, said)
    if isinstance(mine, dict):
        same = isinstance(said, dict) and list(mine) == list(said)
        return _difference(list(mine.values()), list(said.values())) if same else f"{mine!r} for {said!r}"
    if isinstance(mine, list):
        same = isinstance(said, list) and len(said) >= len(mine)
        return next(filter(None, map(_difference, mine, said)), "") if same else f"{mine!r} for {said!r}"
    return "" if _is_same(mine, said) else f"{mine!r} for {said!r}"


def _is_same(mine, said) -> bool:
    """Of one type; a whole number may stand for a real one and the other way round, if it is the same number."""
    if mine is None or isinstance(mine, (bool, str)):
        return type(mine) is type(said) and mine == said
    if isinstance(said, bool) or not isinstance(said, (int, float)):
        return False
    if isinstance(mine, float):
        return math.isfinite(mine) and mine == _real(said)
    return mine == said


def _real(said: float) -> float:
    try:
        return float(said)
    except OverflowError:
        return math.inf
