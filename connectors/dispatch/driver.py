"""What dispatch asks of a driver: tell devices their setpoints, within a bound, say which did not take them; read back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from connectors.dispatch.rules import DeviceWrite


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a device shows of itself, kW; None where it has no such thing to show."""

    power_kw: float | None
    setpoint_kw: float | None
    """What it obeys; also None when it has no lease and goes to its reversion value."""
    min_kw: float | None
    """Its own static limits, which no setpoint lifts (R15)."""
    max_kw: float | None


class Driver(Protocol):
    """One way to reach devices. Signs and units of a protocol are turned here and nowhere else."""

    def write(self, writes: Sequence[DeviceWrite]) -> Mapping[str, str]:
        """Tell devices their setpoints; answer those that did not take theirs, by asset id, with why.

        Blocks for a bounded time that the driver states. Never raises for a device or a link that fails: that is
        an answer.
        """

    def read(self, asset_ids: Sequence[str]) -> Mapping[str, Shown]:
        """Read devices back; those that do not answer are left out.

        Blocks for a bounded time that the driver states. Never raises for a device or a link that fails.
        """

    def close(self) -> None:
        """Let go of the link; devices keep what they have until their leases end."""
