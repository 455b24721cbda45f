"""The running park: one step, its frames, its account, its metrics; called by the role at every whole second."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from connectors.simulator import ledger as ledger_file
from connectors.simulator import memory
from connectors.simulator.arrays import Flags
from connectors.simulator.device_server import DevicePanel
from connectors.simulator.ledger import Ledger
from connectors.simulator.park import Park, ParkState
from connectors.simulator.telemetry import Gateway, frame_of
from infra.clock import now_us
from infra.health import Health, fresh, fresh_after_grace
from infra.metrics import SimulatorMetrics
from streams.messages import TelemetryFrame

_log = structlog.get_logger()

STEP_US: Final = 1_000_000

_LEDGER_EVERY: Final = 3
"""Steps between two writes of the ledger."""

_STUCK_S: Final = 5.0
_GRACE_S: Final = 15.0


@dataclass(slots=True, kw_only=True)
class Simulation:
    """The park's state and what is kept of it; `step` is called by one thread."""

    park: Park
    gateways: tuple[Gateway, ...]
    panel: DevicePanel
    ledger: Ledger
    folder: Path
    """The data folder: the ledger's and the registers' place."""
    metrics: SimulatorMetrics
    state: ParkState
    send: Callable[[Mapping[str, TelemetryFrame]], None]
    steps: int = 0
    started_s: float = field(default_factory=time.monotonic)
    last_step_s: float | None = None
    last_acknowledged_s: float | None = None
    _ended: Flags | None = None
    _taken: int = 0

    def step(self, at_us: int) -> None:
        """Go to `at_us`, publish, and account for it; an instant that is not later is no step (the clock was set)."""
        if at_us <= self.state.at_us:
            return
        missed = (at_us - self.state.at_us) // STEP_US - 1
        if missed:
            self.metrics.count_missed_steps(missed)
        obeyed_kw, ended, taken = self.panel.obeyed_kw()
        self.state = self.park.step(self.state, obeyed_kw, at_us=at_us)
        self.panel.show(self.state.asset_w / 1000)
        self.steps += 1
        self._note_devices(ended, taken)
        self.ledger.take(self.state)
        memory.keep(self.folder / memory.FILE_NAME, self.park, self.state)
        self._publish()
        if self.steps % _LEDGER_EVERY == 0:
            self.write_ledger()
        self.last_step_s = time.monotonic()

    def write_ledger(self) -> None:
        """Write the account so far."""
        ledger_file.write_page(self.folder / ledger_file.FILE_NAME, self.ledger.page())

    def note_acknowledged(self, grid_loop: str, readings: int) -> None:
        """Count a frame that the broker confirmed; called by the producer's thread."""
        self.ledger.readings_acknowledged += readings
        self.metrics.count_acknowledged(grid_loop)
        self.last_acknowledged_s = time.monotonic()

    def health(self) -> Health:
        """Stuck when no step was made; not doing its job when the broker takes nothing."""
        now_s = time.monotonic()
        ages = [None if at_s is None else now_s - at_s for at_s in (self.last_step_s, self.last_acknowledged_s)]
        step = fresh_after_grace("step", ages[0], max_age_s=_STUCK_S, uptime_s=now_s - self.started_s, grace_s=_GRACE_S)
        return Health(progress=(step,), duty=(fresh("telemetry acknowledged", ages[1], max_age_s=_STUCK_S),))

    def _publish(self) -> None:
        sent_at_us = now_us()
        frames = {
            gateway.grid_loop: frame_of(gateway, self.park, self.state, sequence=self.steps, sent_at_us=sent_at_us)
            for gateway in self.gateways
        }
        for grid_loop, frame in frames.items():
            self.metrics.count_sent(grid_loop, readings=len(frame.ids))
            self.ledger.readings_produced += len(frame.ids)
        self.send(frames)

    def _note_devices(self, ended: Flags, taken: int) -> None:
        """Say which devices' leases ended since the last step (R3), and count setpoints."""
        self.metrics.count_setpoints(taken - self._taken)
        self._taken = taken
        if self._ended is not None and (ended & ~self._ended).any():
            reverted = [
                asset.id
                for asset, is_over, was_over in zip(self.park.assets, ended, self._ended, strict=True)
                if is_over and not was_over
            ]
            self.metrics.count_reversions(len(reverted))
            _log.warning("device_leases_ended", devices=len(reverted), first=reverted[0])
        self._ended = ended
