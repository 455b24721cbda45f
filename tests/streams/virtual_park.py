"""De Koumen in virtual time: the simulated park, the real controllers, no broker. One call of `turn` is one second."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from connectors.simulator.building import build_park
from connectors.simulator.scenarios import scenario_named
from connectors.simulator.telemetry import frame_of, gateways
from hub.folder import read_hub
from hub.model import STATION
from hub.profiles import read_profiles
from streams.grid_loop import GridLoop
from streams.messages import Epoch
from streams.station import Station

DE_KOUMEN = Path(__file__).parents[2] / "infra/hubs/de-koumen"
QUARTER_START_US = 1_990_000 * 900_000_000
SECOND_US = 1_000_000
EPOCH = Epoch(1, 1, 1)


@cache
def de_koumen():
    return read_hub(DE_KOUMEN)


@dataclass
class Park:
    """`lag` seconds is how much older the boundary's reading is than the loops'; `deaf` gateways send nothing, `dead`
    assets (their places) do nothing."""

    scenario: str = "sunny-noon"
    into_quarter_s: int = 300
    lag: int = 0
    deaf: frozenset = frozenset()
    dead: tuple = ()
    power_kw: list = field(default_factory=list)
    cycles: dict = field(default_factory=dict)
    log: list = field(default_factory=list)
    """What the gateways sent: the grid loop's name and the frame."""
    lent: list = field(default_factory=list)

    def __post_init__(self):
        hub = de_koumen()
        self.now_us = QUARTER_START_US + self.into_quarter_s * SECOND_US
        self.plant = build_park(
            hub, read_profiles(DE_KOUMEN, hub), scenario=scenario_named(self.scenario), began_us=self.now_us
        )
        self.state = self.plant.start()
        self.gateways = gateways(hub, self.plant)
        self.loops = {loop.id: GridLoop(hub, loop.id) for loop in hub.grid_loops}
        self.station = Station(hub)
        for controller in (*self.loops.values(), self.station):
            controller.begin(EPOCH)
        self.obeyed_kw = self.plant.reversion_kw.copy()
        self.at = {asset.id: place for place, asset in enumerate(self.plant.assets)}
        self.park_at = self.plant.network.node_ids.index("park")
        self.boundary = []

    def kind_kw(self, places):
        return self.state.asset_w[places].sum() / 1000

    def turn(self, seconds=1):
        for _ in range(seconds):
            self._hear()
            self._tick()
            self.obeyed_kw[list(self.dead)] = 0.0
            self.power_kw.append(self.state.node_w[self.park_at] / 1000)
            self.now_us += SECOND_US
            self.state = self.plant.step(self.state, self.obeyed_kw, at_us=self.now_us)
        return self

    def _hear(self):
        for gateway in self.gateways:
            frame = frame_of(gateway, self.plant, self.state, sequence=1, sent_at_us=self.now_us)
            controller = self.loops.get(gateway.grid_loop, self.station)
            if gateway.grid_loop == STATION:
                self.boundary.append(frame)
                frame = self.boundary[max(len(self.boundary) - 1 - self.lag, 0)]
            if gateway.grid_loop not in self.deaf:
                assert controller.fold(frame, received_at_us=self.now_us) == ()
                self.log.append((gateway.grid_loop, frame))

    def _tick(self):
        now_us, tick = self.now_us + 100_000, self.now_us // SECOND_US
        for loop in self.loops.values():
            self.station.receive_offer(loop.offer(tick=tick, now_us=now_us))
        self.clearing = self.station.clear(tick=tick, now_us=now_us)
        self.lent += self.clearing.budgets
        for budget in self.clearing.budgets:
            self.loops[budget.grid_loop].receive_budget(budget, now_us=now_us)
        for name, loop in self.loops.items():
            self.cycles[name] = cycle = loop.balance(tick=tick, now_us=now_us)
            for asset, power_kw in zip(cycle.setpoints.ids, cycle.setpoints.power_kw, strict=True):
                self.obeyed_kw[self.at[asset]] = power_kw
