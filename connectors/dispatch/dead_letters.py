"""What dispatch cannot use goes to the dead-letter topic of where it came from."""

from connectors.dispatch.inbox import Received
from connectors.dispatch.kafka_link import Outgoing
from streams.codec import Rejected
from streams.topics import dead_letter, partition_of


def buried(received: Received, rejected: Rejected) -> Outgoing:
    """The original bytes, with where they came from and why they went."""
    headers = {
        "source_topic": received.topic.name,
        "source_partition": str(received.partition),
        "source_offset": str(received.offset),
        "reason": rejected.reason.value,
        "at_us": str(received.at_us),
    }
    return Outgoing(
        topic=dead_letter(received.topic).name,
        key=received.key,
        value=received.payload,
        partition=partition_of(received.key),
        headers=tuple((name, text.encode()) for name, text in headers.items()),
    )
