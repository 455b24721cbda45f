"""What dispatch asks of a driver: tell devices their setpoints, within a bound, and say which did not take them."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from connectors.dispatch.rules import DeviceWrite


class Driver(Protocol):
    """One way to reach devices. Signs and units of a protocol are turned here and nowhere else."""

    def write(self, writes: Sequence[DeviceWrite]) -> Mapping[str, str]:
        """Tell devices their setpoints; answer those that did not take theirs, by asset id, with why.

        Blocks for a bounded time that the driver states. Never raises for a device or a link that fails: that is
        an answer.
        """

    def close(self) -> None:
        """Let go of the link; devices keep what they have until their leases end."""
