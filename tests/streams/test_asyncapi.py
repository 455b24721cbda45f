"""The published description of the topics says what the code does."""

import inspect

import msgspec
import pytest
import yaml

from streams import limit_messages, messages, override_messages, topology_messages
from streams.topics import CONDITION, REVERT, TOPICS, TOPOLOGY
from tests.streams.asyncapi import CHANNELS, MODULES, PAGE, as_yaml, document

PUBLISHED = yaml.safe_load(PAGE.read_text(encoding="utf-8"))
NESTED = {
    messages.Epoch,
    messages.Curve,
    messages.NodeStates,
    messages.Violation,
    limit_messages.LimitBlock,
    limit_messages.LimitTerms,
    limit_messages.LimitProposal,
    override_messages.OverrideTerms,
    override_messages.OverrideProposal,
    topology_messages.TopologyTerms,
    topology_messages.TopologyProposal,
}


def test_the_page_is_what_the_code_writes_now():
    assert PAGE.read_text(encoding="utf-8") == as_yaml(), "run: python -m tests.streams.asyncapi"


def test_every_topic_is_described_with_its_partitions_and_retention():
    described = {
        channel["address"]: (
            channel["bindings"]["kafka"]["partitions"],
            channel["bindings"]["kafka"]["topicConfiguration"],
        )
        for channel in PUBLISHED["channels"].values()
    }
    assert described == {
        topic.name: (
            topic.partitions,
            {
                "cleanup.policy": [topic.cleanup],
                "retention.ms": topic.retention_ms,
                "retention.bytes": topic.retention_bytes,
            },
        )
        for topic in TOPICS
    }


def test_every_message_of_the_code_is_on_a_topic_or_inside_one():
    kinds = {
        kind
        for module in MODULES
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, msgspec.Struct)
    }
    assert kinds - {msgspec.Struct} == {channel.message for channel in CHANNELS if channel.message} | NESTED
    assert {kind.__name__ for kind in kinds - {msgspec.Struct}} == set(PUBLISHED["components"]["schemas"])


def references(node):
    if isinstance(node, dict):
        yield from (node["$ref"],) if isinstance(node.get("$ref"), str) else ()
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


@pytest.mark.parametrize("reference", sorted(set(references(document()))))
def test_a_reference_leads_somewhere(reference):
    node = PUBLISHED
    for step in reference.removeprefix("#/").split("/"):
        node = node[step]
    assert node


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.topic.name)
def test_a_topic_has_one_kind_of_writer_besides_the_connectors(channel):
    # anybody may stop, say what is seen, and doubt where a ring is open
    assert len(channel.writers) == 1 or channel.topic in {REVERT, CONDITION, TOPOLOGY}
    for role in channel.writers:
        assert f"{role}.send.{channel.topic.name}" in PUBLISHED["operations"]
