"""What the meters mean at one instant: each node's power, what of it no setpoint moves, and its quarter so far.

Every figure comes as a pair, low and high: equal on fresh readings, apart where something is stale. A limit on import
is guarded with the high end, one on export with the low end (R6): stale input becomes a bound by direction, never a
value, and one dead meter widens only the nodes above it. Pure; the caller brings the time.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hub.quarters import quarter_start_us
from streams.bounds import Floats
from streams.fold import NEVER, PointState, quarter_so_far
from streams.plant import Plant

RAMP_RATIO_PER_S: Final = 1 / 30
"""Share of its contract by which a connection that is not heard may change per second. Invented: a factory's largest
motor group starts within half a minute; a smaller figure trusts an old reading longer."""

_KWH_PER_WH: Final = 1e-3
_S_PER_H: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A quantity between two ends, kW; arrays of one shape."""

    low_kw: Floats
    high_kw: Floats


@dataclass(slots=True)
class LoadMemory:
    """[n_connections] Between what each connection's uncontrolled load lay by its meter's last reading, and when."""

    low_kw: Floats
    high_kw: Floats
    at_us: NDArray[np.int64]
    """When that was measured, not when it was looked at: a load drifts from its reading on."""

    @classmethod
    def empty(cls, n_connections: int) -> "LoadMemory":
        """Nothing heard yet."""
        return cls(np.zeros(n_connections), np.zeros(n_connections), np.full(n_connections, NEVER, np.int64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One grid loop at one instant.

    | array | shape | meaning |
    |---|---|---|
    | power | [n_nodes] | net power |
    | uncontrolled | [n_nodes] | net power without the controllable assets below |
    | energy_kwh | [n_nodes, 2] | A+ and A- of the quarter until now: the most that the readings allow |
    | uncovered_s | [n_nodes] | seconds of the quarter so far of which no register tells |
    | fresh | [n_nodes] | the node's power rests on fresh readings only |
    | asset_fresh | [n_assets] | the asset was heard lately |
    | reactive_kvar | [n_nodes] | by the node's own meter; NaN where that tells none, or was not heard lately |
    | phase_a | [2, n_nodes] | largest current of any phase, drawn and fed in; likewise |
    """

    now_us: int
    power: Span
    uncontrolled: Span
    energy_kwh: Floats
    uncovered_s: Floats
    fresh: NDArray[np.bool_]
    asset_fresh: NDArray[np.bool_]
    reactive_kvar: Floats
    phase_a: Floats
    feeders_fresh: bool
    """Every feeder meter of the loop was heard lately; else the loop runs open (R7)."""


def estimate(plant: Plant, state: PointState, memory: LoadMemory, *, now_us: int, stale_after_s: float) -> Estimate:
    """Read the state at one instant; remembers the loads of the connections that are heard."""
    age_s = (now_us - state.at_us) / 1e6
    heard = (state.at_us != NEVER) & (age_s <= stale_after_s)
    asset_fresh = heard[plant.asset_point]
    measured_kw = state.power_kw[plant.asset_point]
    assets = Span(
        low_kw=plant.per_connection(np.where(asset_fresh, measured_kw, plant.devices.min_kw)),
        high_kw=plant.per_connection(np.where(asset_fresh, measured_kw, plant.devices.max_kw)),
    )
    meters = plant.meter[plant.connection_node]
    meter_fresh = heard[meters]
    _remember(memory, assets, meter_kw=state.power_kw[meters], at_us=state.at_us[meters], heard=meter_fresh)
    loads = _loads(plant, memory, heard=meter_fresh, now_us=now_us)
    below = Span(low_kw=plant.sum_up(assets.low_kw), high_kw=plant.sum_up(assets.high_kw))
    uncontrolled = Span(low_kw=plant.sum_up(loads.low_kw), high_kw=plant.sum_up(loads.high_kw))
    feeders = np.flatnonzero((plant.parent == 0) & (plant.meter >= 0))
    if plant.arms_known:
        for arm in feeders:
            if heard[plant.meter[arm]]:
                feeder_kw = state.power_kw[plant.meter[arm]]
                uncontrolled.low_kw[arm] = feeder_kw - below.high_kw[arm]
                uncontrolled.high_kw[arm] = feeder_kw - below.low_kw[arm]
        uncontrolled.low_kw[0] = uncontrolled.low_kw[feeders].sum()
        uncontrolled.high_kw[0] = uncontrolled.high_kw[feeders].sum()
    elif heard[plant.meter[feeders]].all():
        uncontrolled.low_kw[0] = state.power_kw[plant.meter[feeders]].sum() - below.high_kw[0]
        uncontrolled.high_kw[0] = state.power_kw[plant.meter[feeders]].sum() - below.low_kw[0]
    power = _powers(plant, state, heard=heard, uncontrolled=uncontrolled, below=below)
    energy_kwh, uncovered_s = _quarter(plant, state, power=power, feeders=feeders, now_us=now_us)
    stale = (~meter_fresh | (plant.per_connection((~asset_fresh).astype(np.float64)) > 0)).astype(np.float64)
    own = (plant.meter >= 0) & heard[plant.meter]
    return Estimate(
        now_us=now_us,
        power=power,
        uncontrolled=uncontrolled,
        energy_kwh=energy_kwh,
        uncovered_s=uncovered_s,
        fresh=plant.sum_up(stale) == 0,
        asset_fresh=asset_fresh,
        reactive_kvar=np.where(own, state.reactive_kvar[plant.meter], np.nan),
        phase_a=np.where(own, state.phase_a[:, plant.meter], np.nan),
        feeders_fresh=bool(np.all(heard[plant.meter[feeders]])),
    )


def _remember(
    memory: LoadMemory, assets: Span, *, meter_kw: Floats, at_us: NDArray[np.int64], heard: NDArray[np.bool_]
) -> None:
    memory.low_kw[heard] = (meter_kw - assets.high_kw)[heard]
    memory.high_kw[heard] = (meter_kw - assets.low_kw)[heard]
    memory.at_us[heard] = at_us[heard]


def _loads(plant: Plant, memory: LoadMemory, *, heard: NDArray[np.bool_], now_us: int) -> Span:
    """[n_connections] The load behind each connection that no setpoint moves."""
    contract_kw = plant.contract_kw
    silent_s = np.where(memory.at_us == NEVER, 1 / RAMP_RATIO_PER_S, (now_us - memory.at_us) / 1e6)
    drift_kw = np.where(heard, 0.0, np.minimum(contract_kw * RAMP_RATIO_PER_S * silent_s, contract_kw))
    floor_kw, ceiling_kw = np.minimum(memory.low_kw, 0.0), np.maximum(memory.high_kw, contract_kw)
    return Span(
        low_kw=np.maximum(memory.low_kw - drift_kw, floor_kw),
        high_kw=np.minimum(memory.high_kw + drift_kw, ceiling_kw),
    )


def _powers(plant: Plant, state: PointState, *, heard: NDArray[np.bool_], uncontrolled: Span, below: Span) -> Span:
    own = plant.meter >= 0
    exact = own & heard[plant.meter]
    meter_kw = state.power_kw[plant.meter]
    return Span(
        low_kw=np.where(exact, meter_kw, uncontrolled.low_kw + below.low_kw),
        high_kw=np.where(exact, meter_kw, uncontrolled.high_kw + below.high_kw),
    )


def _quarter(
    plant: Plant, state: PointState, *, power: Span, feeders: NDArray[np.int64], now_us: int
) -> tuple[Floats, Floats]:
    """Energy and uncovered seconds of all nodes: by their own meter, else summed from what lies below."""
    own = plant.meter >= 0
    energy_kwh = np.zeros((len(plant.node_ids), 2))
    uncovered_s = np.zeros(len(plant.node_ids))
    metered = Span(low_kw=power.low_kw[own], high_kw=power.high_kw[own])
    energy_kwh[own], uncovered_s[own] = meter_quarter(state, plant.meter[own], power=metered, now_us=now_us)
    for direction in (0, 1):
        summed = plant.sum_up_quarter(energy_kwh[plant.connection_node, direction])
        energy_kwh[~own, direction] = summed[~own]
        energy_kwh[0, direction] = energy_kwh[feeders, direction].sum()
    unmetered = ~own[plant.quarter_node]
    below = plant.connection_node[plant.quarter_connection[unmetered]]
    np.maximum.at(uncovered_s, plant.quarter_node[unmetered], uncovered_s[below])
    uncovered_s[0] = uncovered_s[feeders].max(initial=0.0)
    return energy_kwh, uncovered_s


def meter_quarter(state: PointState, meters: NDArray[np.int64], *, power: Span, now_us: int) -> tuple[Floats, Floats]:
    """Energy of this quarter until now, kWh [n_meters, 2], and the seconds of it no register tells, [n_meters].

    By registers to the newest reading, from there by the unfavourable end of the power [n_meters].
    """
    start_us = quarter_start_us(now_us)
    so_far = quarter_so_far(state, start_us)
    never = so_far.covered_from_us[meters] == NEVER
    uncovered_s = np.where(never, now_us - start_us, so_far.covered_from_us[meters] - start_us) / 1e6
    rest_h = np.where(never, 0, np.maximum(now_us - so_far.covered_until_us[meters], 0)) / 1e6 / _S_PER_H
    flow_kw = np.stack([np.maximum(power.high_kw, 0.0), np.maximum(0.0 - power.low_kw, 0.0)], axis=1)
    return so_far.energy_wh[meters] * _KWH_PER_WH + flow_kw * rest_h[:, None], uncovered_s
