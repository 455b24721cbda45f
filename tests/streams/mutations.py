"""Ways in which a message goes wrong on its way or at its writer: bytes in, bytes out, all by a seeded chance."""

import json
import random
import re
from collections.abc import Callable

NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
HUGE = (
    *(b"9" * 400, b"-" + b"9" * 25, b"1e999", b"-1e308", b"1e400", b"1e30", b"5e-324", b"1e-400", b"-0.0", b"1.0"),
    *(str(power + step).encode() for power in (2**31, 2**53, 2**63, 2**64) for step in (-1, 0, 1)),
    b"1" + b"0" * 5000,
)
NOT_NUMBERS = (
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"nan",
    b"inf",
    b"1.#IND",
    b'"NaN"',
    b"+1",
    b"01",
    b".5",
    b"0x1f",
    b"1_0",
)
OTHER_TYPES = (None, True, False, 0, -1, 1.5, "", "1", "1.5", [], {}, [1], [None], {"a": 1}, [[1]])
NOT_TEXT = (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\x80", b"\xef\xbb\xbf", b"\x00")
ESCAPES = (b"\\ud800", b"\\u0000", b"\\x41", b"\\u12", b"\\", b"\n", b"\x1f")

Chance = random.Random
Mutation = Callable[[bytes, Chance], bytes]


def bit_flips(good: bytes, chance: Chance) -> bytes:
    data = bytearray(good)
    for _ in range(chance.randint(1, 3)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


def truncation(good: bytes, chance: Chance) -> bytes:
    begin, end = sorted((chance.randrange(len(good) + 1), chance.randrange(len(good) + 1)))
    return good[:end] if chance.random() < 0.7 else good[:begin] + good[end:]


def another_type(good: bytes, chance: Chance) -> bytes:
    """One value, perhaps deep inside, becomes one of another type."""
    tree = json.loads(good)
    places = list(_places(tree))
    holder, at = chance.choice(places)
    holder[at] = chance.choice(OTHER_TYPES)
    return json.dumps(tree).encode()


def swapped_columns(good: bytes, chance: Chance) -> bytes:
    """Two fields have each other's value, or one lost or gained a row."""
    tree = json.loads(good)
    holders = [tree, *(each for each in tree.values() if isinstance(each, dict))]
    holder = chance.choice(holders)
    one, other = chance.choices(list(holder), k=2)
    holder[one], holder[other] = holder[other], holder[one]
    if chance.random() < 0.5 and isinstance(column := holder[one], list) and column:
        holder[one] = column[1:] if chance.random() < 0.5 else [*column, column[0]]
    return json.dumps(tree).encode()


def huge_number(good: bytes, chance: Chance) -> bytes:
    return _replace_number(good, chance.choice(HUGE), chance)


def not_a_number(good: bytes, chance: Chance) -> bytes:
    return _replace_number(good, chance.choice(NOT_NUMBERS), chance)


def duplicate_key(good: bytes, chance: Chance) -> bytes:
    """A field comes twice, first or last with another value."""
    tree = json.loads(good)
    value = chance.choice((*OTHER_TYPES, *tree.values()))
    again = f"{json.dumps(chance.choice(list(tree)))}:{json.dumps(value)}".encode()
    return b"{" + again + b"," + good[1:] if chance.random() < 0.5 else good[:-1] + b"," + again + b"}"


def deep_nesting(good: bytes, chance: Chance) -> bytes:
    depth = chance.choice((2, 20, 100, 3_000, 100_000))
    opening, closing = chance.choice(((b"[", b"]"), (b'{"a":', b"}")))
    nest = opening * depth + b"1" + closing * chance.choice((depth, depth, depth - 1, 0))
    if chance.random() < 0.5:
        return good[:-1] + b',"added":' + nest + b"}"
    return _replace_number(good, nest, chance)


def not_text(good: bytes, chance: Chance) -> bytes:
    """Bytes that are not UTF-8, or escapes that are not text, most of them inside a text."""
    quotes = [at.end() for at in re.finditer(b'"', good)]
    place = chance.choice(quotes) if chance.random() < 0.8 else chance.randrange(len(good))
    return good[:place] + chance.choice(NOT_TEXT + ESCAPES) + good[place:]


MUTATIONS: tuple[Mutation, ...] = (
    bit_flips,
    truncation,
    another_type,
    swapped_columns,
    huge_number,
    not_a_number,
    duplicate_key,
    deep_nesting,
    not_text,
)


def mutate(good: bytes, number: int, chance: Chance) -> bytes:
    """Mutation by number, all kinds in turn; one in four gets changed bits as well."""
    wrong = MUTATIONS[number % len(MUTATIONS)](good, chance)
    return bit_flips(wrong, chance) if wrong and chance.random() < 0.25 else wrong


def _replace_number(good: bytes, by: bytes, chance: Chance) -> bytes:
    at = chance.choice(list(NUMBER.finditer(good)))
    return good[: at.start()] + by + good[at.end() :]


def _places(tree):
    """Every value's holder and key or index."""
    for at in tree if isinstance(tree, dict) else range(len(tree)):
        yield tree, at
        if isinstance(tree[at], (dict, list)):
            yield from _places(tree[at])
