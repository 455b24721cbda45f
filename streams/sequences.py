"""Whether a gateway still counts: one whose sequence stands still while it goes on sending repeats itself (R5).

A gateway counts its cycles. Software that is stuck may send the same cycle over and over, with the present time on it
and on every reading. The frames of one second may share a number: a gateway may cut its cycle in pieces.
"""

from dataclasses import dataclass, field
from typing import Final

from streams.columns import Frame

CYCLE_US: Final = 1_000_000
"""The shortest cycle of a gateway; whoever repeats a number later than this stands still."""

MOST_GATEWAYS: Final = 256
"""Gateways of one grid loop that are told apart; beyond that all are forgotten and learned anew."""

LONGEST_NAME: Final = 80
"""More of a gateway's name is not remembered."""


@dataclass(slots=True)
class Sequences:
    """The gateways of one grid loop."""

    _first_sent: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By gateway: the newest sequence, and when it was sent first, in microseconds."""

    def stands_still(self, frame: Frame) -> bool:
        """Whether the frame repeats a sequence of long ago; a restart may begin anew, a late frame says nothing."""
        gateway = frame.gateway[:LONGEST_NAME]
        known = self._first_sent.get(gateway)
        if known is not None and known[0] == frame.sequence and frame.sent_at_us > known[1]:
            return frame.sent_at_us - known[1] >= CYCLE_US
        if known is None or frame.sent_at_us > known[1] or frame.sequence == known[0]:
            if len(self._first_sent) >= MOST_GATEWAYS and gateway not in self._first_sent:
                self._first_sent.clear()
            self._first_sent[gateway] = (frame.sequence, frame.sent_at_us)
        return False
