"""The role `simulator`: every whole second one step of the park, one frame per gateway, and devices that listen.

A second that is missed is skipped, never caught up in a burst: the next step is longer, and the registers hold it.
"""

import threading
from pathlib import Path
from typing import Final

import numpy as np
import structlog

from connectors.simulator import memory
from connectors.simulator.building import build_park
from connectors.simulator.device_server import DevicePanel, DeviceServer
from connectors.simulator.ledger import Ledger
from connectors.simulator.park import Park
from connectors.simulator.scenarios import scenario_named
from connectors.simulator.sender import TelemetrySender
from connectors.simulator.simulation import STEP_US, Simulation
from connectors.simulator.telemetry import gateways
from hub.model import Hub
from hub.profiles import read_profiles
from infra.clock import now_us
from infra.health import serve_http
from infra.metrics import SimulatorMetrics
from infra.settings import Settings

_log = structlog.get_logger()

_STOP_S: Final = 5.0


def run(settings: Settings, hub: Hub, stop: threading.Event) -> None:
    """Simulate the park of `hub` until `stop` is set.

    Raises:
        ScenarioError: the settings name a scenario that is not there.
        ProfileError: the hub has no usable profiles.
        OSError: the devices' address cannot be bound, or the data folder cannot be written.
    """
    profiles = read_profiles(Path(settings.hub_dir).expanduser(), hub)
    scenario = scenario_named(settings.scenario)
    park = build_park(hub, profiles, scenario=scenario, began_us=_whole_second_us())
    panel = DevicePanel(
        {asset.id: at for at, asset in enumerate(park.assets) if asset.kind.controllable},
        park.reversion_kw,
        own_kw=(np.array([asset.min_kw for asset in park.assets]), np.array([asset.max_kw for asset in park.assets])),
    )
    sender = TelemetrySender(settings.kafka_bootstrap, hub.id)
    simulation = _simulation(settings, hub, park=park, panel=panel, sender=sender)
    server = DeviceServer(settings.simulator_host, settings.simulator_port, panel)
    page = (
        serve_http(settings.http_host, settings.http_port, simulation.metrics.registry, simulation.health)
        if settings.http_port
        else None
    )
    _log.info("simulator_started", hub=hub.id, scenario=scenario.name, assets=len(park.assets), port=server.port)
    try:
        while not stop.wait(_until_next_step_s(simulation.state.at_us)):
            simulation.step(_whole_second_us())
    finally:
        server.close()
        sender.close(_STOP_S)
        simulation.write_ledger()
        if page is not None:
            page.close()
        _log.info("simulator_stopped", hub=hub.id)


def _simulation(settings: Settings, hub: Hub, *, park: Park, panel: DevicePanel, sender: TelemetrySender) -> Simulation:
    folder = settings.data_path
    state = memory.remembered(folder / memory.FILE_NAME, park, park.start())
    simulation = Simulation(
        park=park,
        gateways=gateways(hub, park),
        panel=panel,
        ledger=Ledger(hub.id, park, state),
        folder=folder,
        metrics=SimulatorMetrics(hub.id),
        state=state,
        send=sender.send,
    )
    sender.on_acknowledged = simulation.note_acknowledged
    return simulation


def _whole_second_us() -> int:
    """The whole second that has begun."""
    return now_us() // STEP_US * STEP_US


def _until_next_step_s(at_us: int) -> float:
    """How long to wait for the second after the one of the last step, however late that was."""
    return max(at_us + STEP_US - now_us(), 0) / 1e6
