"""Each device's own lease: how long it obeys what it was told, and that it goes to its reversion value after (R3).

Pure. The device counts from the moment it was told, on its own clock; nobody else ends or extends its lease.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from connectors.simulator.arrays import Flags, Floats
from connectors.simulator.wire import Write


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DeviceLeases:
    """What n devices were told last."""

    setpoint_kw: Floats
    until_s: Floats
    """By the devices' monotonic clock; minus infinity before the first setpoint (R13: failsafe until then)."""

    def obeyed_kw(self, reversion_kw: Floats, now_s: float) -> tuple[Floats, Flags]:
        """What each device goes to now [n], and which of them have no lease [n]."""
        ended = now_s >= self.until_s
        return np.where(ended, reversion_kw, self.setpoint_kw), ended


def fresh_leases(devices: int) -> DeviceLeases:
    """Devices that nobody told anything."""
    return DeviceLeases(setpoint_kw=np.zeros(devices), until_s=np.full(devices, -math.inf))


def refusal_of(write: Write) -> str | None:
    """Why a device does not take a setpoint; None when it does."""
    if not math.isfinite(write.power_kw):
        return "not a number"
    if not (0 < write.lease_s < math.inf):
        return "no duration"
    return None


def told(
    leases: DeviceLeases, writes: list[Write], *, index: Mapping[str, int], now_s: float
) -> tuple[DeviceLeases, dict[str, str]]:
    """Leases after a batch of writes, and which were refused, with why."""
    setpoint_kw, until_s = leases.setpoint_kw.copy(), leases.until_s.copy()
    refused: dict[str, str] = {}
    for write in writes:
        at = index.get(write.asset)
        why = "no such device" if at is None else refusal_of(write)
        if at is None or why is not None:
            refused[write.asset] = why or "no such device"
            continue
        setpoint_kw[at] = write.power_kw
        until_s[at] = now_s + write.lease_s
    return DeviceLeases(setpoint_kw=setpoint_kw, until_s=until_s), refused
