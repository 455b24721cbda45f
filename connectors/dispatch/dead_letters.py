"""What dispatch cannot use goes to the dead-letter topic of where it came from."""

from connectors.dispatch.inbox import Received
from connectors.dispatch.kafka_link import Outgoing
from streams.codec import Rejected
from streams.topics import dead_letter, dead_letter_headers, partition_of


def buried(received: Received, rejected: Rejected) -> Outgoing:
    """The original bytes, with where they came from and why they went."""
    return Outgoing(
        topic=dead_letter(received.topic).name,
        key=received.key,
        value=received.payload,
        partition=partition_of(received.key),
        headers=dead_letter_headers(
            received.topic,
            partition=received.partition,
            offset=received.offset,
            at_us=received.at_us,
            reason=rejected.reason,
        ),
    )
