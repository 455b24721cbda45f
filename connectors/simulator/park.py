"""The simulated park: all devices, loads and cables of a hub, one step at a time, in virtual time.

Pure: a step takes a state and what each device obeys, and gives the state at a later instant. Who told the devices
what, and whether their leases still run, is `connectors.simulator.leases`.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from connectors.simulator import weather
from connectors.simulator.arrays import Floats, Ints, Moved, whole_watts
from connectors.simulator.batteries import Batteries
from connectors.simulator.chargers import Chargers, ChargerState
from connectors.simulator.loads import LoadDevices, Unrest, later_unrest, start_unrest, varied_kw
from connectors.simulator.network import Network
from connectors.simulator.photovoltaics import Inverters
from connectors.simulator.registers import Registers
from connectors.simulator.scenarios import Scenario
from connectors.simulator.shapes import Shapes
from hub.model import Asset

SEED: Final = 2028
"""All chance in the park comes from this and from the instant: two runs at the same time are the same."""

_SETTLE_US: Final = 60_000_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ParkState:
    """The park at one instant; powers are those of the step that ended there."""

    at_us: int
    asset_w: Ints
    """[assets]."""
    node_w: Ints
    """[nodes], net power."""
    registers: Registers
    """Of the nodes, then of the assets."""
    stored_kwh: Floats
    """[batteries]."""
    chargers: ChargerState
    unrest: Unrest
    """Of the connections, then of the loads among the assets."""
    min_kw: Floats
    """[assets], least power the device could take now."""
    max_kw: Floats
    """[assets], largest power the device could take now."""
    curtailed_w: Ints
    """[inverters], what the sun gave and the setpoint did not let through."""

    @property
    def point_w(self) -> Ints:
        """Power of every metered point: the nodes, then the assets."""
        return np.concatenate([self.node_w, self.asset_w])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Park:
    """What does not change: devices by kind, their places in the hub's order, cables and shapes."""

    assets: tuple[Asset, ...]
    """Metered assets in the hub's order (gas and water meters have no power)."""
    network: Network
    behind: Ints
    """[connections, assets], 1 where the asset is behind the connection."""
    battery_at: Ints
    """Places of the batteries among the assets; likewise the next three."""
    pv_at: Ints
    charger_at: Ints
    load_at: Ints
    batteries: Batteries
    inverters: Inverters
    chargers: Chargers
    loads: LoadDevices
    reversion_kw: Floats
    """[assets], where each goes without a lease; infinity for what nobody controls."""
    load_shapes: Shapes
    """Of the connections, then of the loads among the assets."""
    load_scale_kw: Floats
    """Mean load that belongs to shape 1, same order."""
    pv_shapes: Shapes
    sky: Floats
    roof_delay_s: Floats
    scenario: Scenario
    began_us: int
    """Instant that stands for the scenario's moment of the measured year."""

    @property
    def point_ids(self) -> tuple[str, ...]:
        """Ids of the metered points: the nodes, then the assets; the order of the registers."""
        return (*self.network.node_ids, *(asset.id for asset in self.assets))

    @property
    def free_kw(self) -> Floats:
        """[assets] What lets each device do as it would: no ceiling, no floor, and batteries at rest."""
        free_kw = np.full(len(self.assets), np.inf)
        free_kw[self.pv_at] = -np.inf
        free_kw[self.battery_at] = 0.0
        return free_kw

    def profile_us(self, at_us: int) -> int:
        """Moment of the measured year that an instant stands for."""
        return self.scenario.begins_us + at_us - self.began_us

    def cars_us(self, at_us: int) -> int:
        """Moment of the measured sessions that an instant stands for."""
        return self.scenario.cars_us + at_us - self.began_us

    def available_kw(self, at_us: int) -> Floats:
        """What each roof could produce at an instant [inverters], a magnitude."""
        moment_us = self.profile_us(at_us)
        light = weather.light_ratio(
            self.sky, at_s=moment_us / 1e6, delay_s=self.roof_delay_s, depth_ratio=self.scenario.cloud_depth_ratio
        )
        return self.inverters.available_kw(self.pv_shapes.at(moment_us), light)

    def start(self) -> ParkState:
        """The park at `began_us`: nobody told the devices anything, so they are at their reversion values (R13)."""
        soc_ratio = np.linspace(self.scenario.soc_first_ratio, self.scenario.soc_last_ratio, len(self.battery_at))
        cold = ParkState(
            at_us=self.began_us - _SETTLE_US,
            asset_w=np.zeros(len(self.assets), dtype=np.int64),
            node_w=np.zeros(len(self.network.node_ids), dtype=np.int64),
            registers=Registers.zero(len(self.point_ids)),
            stored_kwh=soc_ratio * self.batteries.capacity_kwh,
            chargers=self.chargers.start(self.cars_us(self.began_us)),
            unrest=start_unrest(len(self.load_scale_kw), SEED),
            min_kw=np.zeros(len(self.assets)),
            max_kw=np.zeros(len(self.assets)),
            curtailed_w=np.zeros(len(self.pv_at), dtype=np.int64),
        )
        # The meters and the energy begin when every ramp has ended.
        settled = self.step(cold, self.reversion_kw, at_us=self.began_us)
        return replace(settled, registers=cold.registers, stored_kwh=cold.stored_kwh, chargers=cold.chargers)

    def step(self, state: ParkState, obeyed_kw: Floats, *, at_us: int) -> ParkState:
        """State at `at_us`, after each device went towards `obeyed_kw` [assets] by its own rules (R15)."""
        dt_us = at_us - state.at_us
        dt_s, was_kw = dt_us / 1e6, state.asset_w / 1000.0
        unrest = later_unrest(state.unrest, seed=SEED, at_us=at_us, dt_s=dt_s)
        mean_kw = self.load_shapes.at(self.profile_us(at_us)) * self.load_scale_kw
        used_kw = varied_kw(mean_kw, unrest, self.scenario.unrest_ratio)
        base_kw, devices_kw = np.split(used_kw, [self.network.below.shape[1]])
        available_kw = self.available_kw(at_us)

        at = self.battery_at
        stored_kwh, batteries = self.batteries.step(state.stored_kwh, was_kw[at], wanted_kw=obeyed_kw[at], dt_s=dt_s)
        at = self.pv_at
        roofs = self.inverters.step(was_kw[at], wanted_kw=obeyed_kw[at], available_kw=available_kw, dt_s=dt_s)
        at = self.charger_at
        cars, chargers = self.chargers.step(
            state.chargers, was_kw[at], wanted_kw=obeyed_kw[at], at_us=self.cars_us(at_us), dt_s=dt_s
        )
        at = self.load_at
        loads = self.loads.step(was_kw[at], wanted_kw=obeyed_kw[at], used_kw=devices_kw, dt_s=dt_s)

        moved = self._in_order(batteries, roofs, chargers, loads)
        node_w = self.network.node_w(whole_watts(base_kw) + self.behind @ moved.power_w)
        return ParkState(
            at_us=at_us,
            asset_w=moved.power_w,
            node_w=node_w,
            registers=state.registers.after(np.concatenate([node_w, moved.power_w]), dt_us),
            stored_kwh=stored_kwh,
            chargers=cars,
            unrest=unrest,
            min_kw=moved.min_kw,
            max_kw=moved.max_kw,
            curtailed_w=whole_watts(available_kw) + roofs.power_w,
        )

    def _in_order(self, batteries: Moved, roofs: Moved, chargers: Moved, loads: Moved) -> Moved:
        """Put the moves of the kinds in the hub's order of assets."""
        places = np.concatenate([self.battery_at, self.pv_at, self.charger_at, self.load_at])
        back = np.argsort(places)
        kinds = (batteries, roofs, chargers, loads)
        return Moved(
            np.concatenate([kind.power_w for kind in kinds])[back],
            np.concatenate([kind.min_kw for kind in kinds])[back],
            np.concatenate([kind.max_kw for kind in kinds])[back],
        )
