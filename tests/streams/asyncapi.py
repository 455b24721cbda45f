"""Writes docs/asyncapi.yaml from the code: `python -m tests.streams.asyncapi`.

Topics, partitions, retention and schemas come from `streams`; who writes and reads what, and the keys, are stated in
the table below. The test beside this file compares the page with the code, so that neither can drift.
"""

import ast
import inspect
import itertools
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from hub.model import STATION
from streams import guard_messages, limit_messages, messages, override_messages, signature, topics, topology_messages

PAGE: Final = Path(__file__).parents[2] / "docs/asyncapi.yaml"

MODULES: Final = (messages, guard_messages, limit_messages, override_messages, topology_messages)
"""Where the messages are declared."""

GRID_LOOP_KEY: Final = "`<hub>/<grid_loop>`"
STATION_KEY: Final = f"`<hub>/{STATION}`"


@dataclass(frozen=True)
class Channel:
    """What one topic carries, under which key, from whom to whom; no message means another topic's bytes."""

    topic: topics.Topic
    message: type[msgspec.Struct] | None
    key: str
    writers: tuple[str, ...]
    readers: tuple[str, ...]


CHANNELS: Final = (
    Channel(
        topics.TELEMETRY,
        messages.TelemetryFrame,
        f"{GRID_LOOP_KEY}; boundary and group meters {STATION_KEY}",
        ("simulator",),
        ("worker", "recorder", "watchdog"),
    ),
    Channel(
        topics.LOOP_STATE,
        messages.LoopState,
        f"{GRID_LOOP_KEY}; the hub agent's own {STATION_KEY}",
        ("worker",),
        ("recorder", "watchdog"),
    ),
    Channel(topics.LOOP_OFFER, messages.Offer, STATION_KEY, ("worker",), ("worker",)),
    Channel(topics.LOOP_BUDGET, messages.Budget, GRID_LOOP_KEY, ("worker",), ("worker",)),
    Channel(topics.CLAIM, messages.Claim, f"{GRID_LOOP_KEY} or {STATION_KEY}", ("worker",), ()),
    Channel(topics.SETPOINT, messages.SetpointFrame, GRID_LOOP_KEY, ("worker",), ("dispatch", "recorder", "watchdog")),
    Channel(topics.SETPOINT_RESULT, messages.SetpointResult, GRID_LOOP_KEY, ("dispatch",), ("recorder",)),
    Channel(topics.REVERT, guard_messages.Revert, GRID_LOOP_KEY, ("watchdog", "operator"), ("dispatch",)),
    Channel(
        topics.LIMIT,
        limit_messages.LimitEntry,
        "`<hub>/<node>#<limit id>`",
        ("operator",),
        ("worker", "operator", "watchdog"),
    ),
    Channel(
        topics.OVERRIDE,
        override_messages.OverrideEntry,
        "`<hub>/<asset>`",
        ("operator",),
        ("worker", "operator", "dispatch"),
    ),
    Channel(
        topics.TOPOLOGY,
        topology_messages.TopologyEntry,
        GRID_LOOP_KEY,
        ("operator", "worker"),
        ("worker", "operator", "watchdog"),
    ),
    Channel(
        topics.CONDITION,
        guard_messages.Condition,
        "`<hub>/<condition id>`",
        ("dispatch", "watchdog", "worker"),
        (),
    ),
    *(
        Channel(topics.dead_letter(source), None, f"as in `{source.name}`", (writer,), ())
        for source, writer in (
            (topics.TELEMETRY, "worker"),
            (topics.LOOP_OFFER, "worker"),
            (topics.LOOP_BUDGET, "worker"),
            (topics.SETPOINT, "dispatch"),
            (topics.LIMIT, "worker"),
            (topics.OVERRIDE, "worker"),
            (topics.TOPOLOGY, "worker"),
            (topics.REVERT, "dispatch"),
        )
    ),
)

INTRODUCTION: Final = """\
Everything that passes between the parts of lusbalans, as JSON on Kafka.

Instants are integer microseconds UTC (`_us`); powers are kW in load convention (import and charging positive);
registers are whole Wh; missing is null. A column that a gateway does not have is an empty list. Readers ignore fields
they do not know; writers only ever add optional fields; a new meaning is a new topic version. A key's partition is
murmur2 of its bytes, as the Java client computes it.

Written by `python -m tests.streams.asyncapi`; do not edit by hand."""


def document() -> dict[str, Any]:
    """Return the whole AsyncAPI document as plain values."""
    kinds = [channel.message for channel in CHANNELS if channel.message]
    _, schemas = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "lusbalans",
            "version": "1.0.0",
            "description": INTRODUCTION,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {channel.topic.name: _channel(channel) for channel in CHANNELS},
        "operations": dict(_operations()),
        "components": {
            "messages": {each.message.__name__: _message(each.message, each.topic) for each in CHANNELS if each.message}
            | {"DeadLetter": _dead_letter()},
            "schemas": {name: _with_field_notes(_draft_07(schemas[name])) for name in sorted(schemas)},
        },
    }


def _channel(channel: Channel) -> dict[str, Any]:
    name = channel.message.__name__ if channel.message else "DeadLetter"
    topic = channel.topic
    return {
        "address": topic.name,
        "description": f"Key: {channel.key}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": {
                    "cleanup.policy": [topic.cleanup],
                    "retention.ms": topic.retention_ms,
                    "retention.bytes": topic.retention_bytes,
                },
                "bindingVersion": "0.5.0",
            }
        },
    }


def _operations() -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{role}.{action}.{channel.topic.name}", _operation(role, action, channel))
        for channel in CHANNELS
        for action, roles in (("send", channel.writers), ("receive", channel.readers))
        for role in roles
    ]


def _operation(role: str, action: str, channel: Channel) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel.topic.name}"},
        "tags": [{"name": role}],
    }


def _message(kind: type[msgspec.Struct], topic: topics.Topic) -> dict[str, Any]:
    first_line = (inspect.getdoc(kind) or "").splitlines()[0]
    return {
        "summary": first_line,
        **({"headers": _signature()} if topic.signed else {}),
        "payload": {"$ref": f"#/components/schemas/{kind.__name__}"},
        "bindings": {"kafka": {"key": {"type": "string"}, "bindingVersion": "0.5.0"}},
    }


def _signature() -> dict[str, Any]:
    meaning = (
        "Where keys are configured: `<key id>:<HMAC-SHA256>` over topic, key and payload (`streams/signature.py`)."
    )
    return {"type": "object", "properties": {signature.HEADER: {"type": "string", "description": meaning}}}


def _dead_letter() -> dict[str, Any]:
    reasons = [reason.value for reason in messages.DeadLetterReason]
    text = {"type": "string"}
    return {
        "summary": "What could not be used, bytes untouched.",
        "headers": {
            "type": "object",
            "properties": {
                "source_topic": text,
                "source_partition": text,
                "source_offset": text,
                "reason": {"type": "string", "enum": reasons},
                "at_us": {"type": "string", "description": "When the broker took it."},
                "row": {
                    "type": "string",
                    "description": "Rows of the bad readings, the first 100; absent where all is.",
                },
            },
        },
        "contentType": "application/octet-stream",
        "bindings": {"kafka": {"key": {"type": "string"}, "bindingVersion": "0.5.0"}},
    }


def _draft_07(schema: Any) -> Any:
    """AsyncAPI's schemas are JSON Schema draft 07, which writes a tuple as a list of `items`."""
    if isinstance(schema, list):
        return [_draft_07(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    renamed = {"items" if name == "prefixItems" else name: _draft_07(part) for name, part in schema.items()}
    if isinstance(renamed.get("description"), str):
        renamed["description"] = inspect.cleandoc(renamed["description"])
    return renamed


def _with_field_notes(schema: dict[str, Any]) -> dict[str, Any]:
    """Give each field the text that stands below it in the code."""
    kind = next(vars(module)[schema["title"]] for module in MODULES if schema["title"] in vars(module))
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    for field, note in itertools.pairwise(ast.iter_child_nodes(body)):
        match field, note:
            case ast.AnnAssign(target=ast.Name(name)), ast.Expr(value=ast.Constant(value=str(text))):
                if name in schema.get("properties", {}):
                    schema["properties"][name]["description"] = inspect.cleandoc(text)
    return schema


class _Readable(yaml.SafeDumper):
    """Writes a text of several lines as a block, and what occurs twice twice."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Readable.add_representer(str, _text)


def as_yaml() -> str:
    """Return the page's text."""
    return yaml.dump(document(), Dumper=_Readable, sort_keys=False, allow_unicode=True, width=110)


if __name__ == "__main__":
    PAGE.write_text(as_yaml(), encoding="utf-8")
