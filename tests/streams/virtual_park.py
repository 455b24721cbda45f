"""De Koumen in virtual time: the simulated park, the real controllers, no broker. One call of `turn` is one second."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from connectors.simulation.closed_loop import SECOND_US, ClosedLoop
from connectors.simulation.faults import Fault, FaultKind, Faults
from connectors.simulator.building import build_park
from connectors.simulator.scenarios import scenario_named
from hub.folder import read_hub
from hub.model import STATION, Hub
from hub.profiles import read_profiles

DE_KOUMEN = Path(__file__).parents[2] / "infra/hubs/de-koumen"
QUARTER_START_US = 1_990_000 * 900_000_000
FOREVER_US = 2**62


@cache
def de_koumen():
    return read_hub(DE_KOUMEN)


@dataclass(frozen=True, kw_only=True)
class Lagging(Faults):
    """The boundary's readings arrive so many seconds late."""

    lag: int

    def arrivals_us(self, gateways, at_us):
        arrivals_us = Faults.arrivals_us(self, gateways, at_us)
        lags_us = [self.lag * SECOND_US if name == STATION else 0 for name in gateways]
        return [None if at is None else at + lag_us for at, lag_us in zip(arrivals_us, lags_us, strict=True)]


@dataclass
class Park:
    """`lag` seconds is how much older the boundary's reading is than the loops'; `deaf` gateways send nothing, `dead`
    assets (their places) do nothing."""

    scenario: str = "sunny-noon"
    hub: Hub = field(default_factory=de_koumen)
    into_quarter_s: int = 300
    lag: int = 0
    deaf: frozenset = frozenset()
    dead: tuple = ()
    faults: Faults | None = None
    """Instead of those three."""
    power_kw: list = field(default_factory=list)
    log: list = field(default_factory=list)
    """What the gateways sent: the grid loop's name and the frame."""
    lent: list = field(default_factory=list)

    def __post_init__(self):
        hub = self.hub
        self.plant = build_park(
            hub,
            read_profiles(DE_KOUMEN, hub),
            scenario=scenario_named(self.scenario),
            began_us=QUARTER_START_US + self.into_quarter_s * SECOND_US,
        )
        self.closed = ClosedLoop(hub, self.plant, faults=Faults())
        self.loops, self.station = self.closed.loops, self.closed.station
        self.obeyed_kw = self.plant.reversion_kw
        self.at = self.closed.devices.index
        self.park_at = self.plant.network.node_ids.index("park")

    @property
    def now_us(self):
        return self.closed.now_us

    @property
    def state(self):
        return self.closed.state

    @property
    def cycles(self):
        return self.closed.cycles

    @property
    def clearing(self):
        return self.closed.clearing

    def kind_kw(self, places):
        return self.state.asset_w[places].sum() / 1000

    def turn(self, seconds=1):
        broken = [Fault(FaultKind.GATEWAY_SILENT, name, 0, FOREVER_US) for name in sorted(self.deaf)]
        broken += [Fault(FaultKind.DEVICE_IGNORES, self.plant.assets[at].id, 0, FOREVER_US) for at in self.dead]
        self.closed.faults = self.faults or Lagging(faults=tuple(broken), lag=self.lag)
        for _ in range(seconds):
            self.power_kw.append(self.state.node_w[self.park_at] / 1000)
            second = self.closed.turn()
            self.obeyed_kw = second.obeyed_kw
            self.log += [(heard.grid_loop, heard.frame) for heard in second.heard]
            self.lent += self.clearing.budgets
        return self
