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
from streams.history import History
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


NO_MORE: Final = Span(low_kw=np.zeros(1), high_kw=np.zeros(1))
"""Of devices that fall back at once when they are not heard."""


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
    | unheard | [n_nodes] | what assets that nobody hears may do beyond their reversion values: at most, at least 0 |
    | energy_kwh | [n_nodes, 2] | A+ and A- of the quarter until now: the most that the readings allow |
    | uncovered_s | [n_nodes] | seconds of the quarter so far of which no register tells |
    | fresh | [n_nodes] | the node's meter was heard lately; where it has none, all those it is summed from |
    | asset_fresh | [n_assets] | the asset was heard lately |
    | contradicted | [n_points] | the point reports, and is not believed |
    | reactive_kvar | [n_nodes] | by the node's own meter; NaN where that tells none, or was not heard lately |
    | phase_a | [2, n_nodes] | largest current of any phase, drawn and fed in; likewise |
    """

    now_us: int
    power: Span
    uncontrolled: Span
    unheard: Span
    energy_kwh: Floats
    uncovered_s: Floats
    fresh: NDArray[np.bool_]
    asset_fresh: NDArray[np.bool_]
    contradicted: NDArray[np.bool_]
    reactive_kvar: Floats
    phase_a: Floats
    feeders_fresh: bool
    """Every feeder meter of the loop was heard lately; else the loop runs open (R7)."""


def estimate(
    plant: Plant,
    state: PointState,
    memory: LoadMemory,
    history: History,
    *,
    now_us: int,
    stale_after_s: float,
    doubted_us: NDArray[np.int64],
    beyond: Span = NO_MORE,
) -> Estimate:
    """Read the state at one instant; remembers the load that each new reading of a connection tells.

    A meter tells of its instant: what it says apart from the assets is taken with what these measured then, by `history`.
    `doubted_us` [n_points] is since when each point is not believed (`streams.disbelief`): it counts as silent since.
    `beyond` [n_assets] is how far each asset that is not heard may be from its reversion value (`streams.obeying`).
    """
    within_us = stale_after_s * 1e6
    heard = is_heard(state, doubted_us, now_us=now_us, stale_after_s=stale_after_s + plant.patience_us / 1e6)
    asset_fresh = heard[plant.asset_point]
    meters = plant.meter[plant.connection_node]
    meter_fresh = heard[meters]
    heard_us = np.minimum(state.at_us, doubted_us)
    then = Then(plant, history, asset_fresh, heard_us[plant.asset_point], within_us)
    _remember(memory, state, then, at_us=heard_us[meters], heard=meter_fresh)
    loads = _loads(plant, memory, heard=meter_fresh, doubted_us=doubted_us[meters], now_us=now_us)
    assets = _asset_sums(plant, state.power_kw[plant.asset_point], known=asset_fresh)
    below = Span(low_kw=plant.sum_up(assets.low_kw), high_kw=plant.sum_up(assets.high_kw))
    feeders = np.flatnonzero((plant.parent == 0) & (plant.meter >= 0))
    uncontrolled = _uncontrolled(state, then, loads=loads, feeders=feeders, heard=heard)
    power = _powers(
        plant, state, uncontrolled=uncontrolled, below=below, feeders=feeders, heard=heard, since_us=now_us - within_us
    )
    energy_kwh, uncovered_s = _quarter(plant, state, doubted_us, power=power, feeders=feeders, now_us=now_us)
    own = (plant.meter >= 0) & heard[plant.meter]
    return Estimate(
        now_us=now_us,
        power=power,
        uncontrolled=uncontrolled,
        unheard=_unheard(plant, beyond, silent=~asset_fresh & ~meter_fresh[plant.asset_connection], told=own),
        energy_kwh=energy_kwh,
        uncovered_s=uncovered_s,
        fresh=_fresh(plant, own=own, feeders=feeders),
        asset_fresh=asset_fresh,
        contradicted=doubted_us <= state.at_us,
        reactive_kvar=np.where(own, state.reactive_kvar[plant.meter], np.nan),
        phase_a=np.where(own, state.phase_a[:, plant.meter], np.nan),
        feeders_fresh=bool(np.all(own[feeders])),
    )


def is_heard(
    state: PointState, doubted_us: NDArray[np.int64], *, now_us: int, stale_after_s: float | Floats
) -> NDArray[np.bool_]:
    """[n_points] Whether each point told something lately that is believed."""
    heard: NDArray[np.bool_] = (state.at_us != NEVER) & (
        now_us - np.minimum(state.at_us, doubted_us) <= stale_after_s * 1e6
    )
    return heard


def _asset_sums(plant: Plant, measured_kw: Floats, *, known: NDArray[np.bool_]) -> Span:
    """[n_connections] Power of the assets behind each connection; anything it can do of one that is not known."""
    return Span(
        low_kw=plant.per_connection(np.where(known, measured_kw, plant.devices.min_kw)),
        high_kw=plant.per_connection(np.where(known, measured_kw, plant.devices.max_kw)),
    )


@dataclass(frozen=True, slots=True)
class Then:
    """What the assets measured when a meter was read."""

    plant: Plant
    history: History
    asset_fresh: NDArray[np.bool_]
    asset_us: NDArray[np.int64]
    """Until when each asset was heard, and believed."""
    within_us: float

    def assets(self, at_us: NDArray[np.int64], *, meter_fresh: NDArray[np.bool_]) -> Span:
        """[n_connections] Power of the assets at an instant per connection; of one that is silent since, anything.

        While its meter tells on, what a silent asset may do now is in what that tells.
        """
        at = self.plant.asset_connection
        kw = self.history.power_kw(self.plant.asset_point, at_us[at], within_us=self.within_us)
        known = ~np.isnan(kw) & (at_us[at] - self.asset_us <= self.within_us)
        return _asset_sums(self.plant, kw, known=known & (self.asset_fresh | ~meter_fresh[at]))

    def below(self, at_us: int) -> Span:
        """[n_nodes] The same summed over what lies below each node, at one instant."""
        shape = len(self.plant.connections)
        assets = self.assets(np.full(shape, at_us, np.int64), meter_fresh=np.ones(shape, np.bool_))
        return Span(low_kw=self.plant.sum_up(assets.low_kw), high_kw=self.plant.sum_up(assets.high_kw))


def _remember(
    memory: LoadMemory, state: PointState, then: Then, *, at_us: NDArray[np.int64], heard: NDArray[np.bool_]
) -> None:
    """A load is a meter's reading minus its assets' near the same instant, however long ago that was."""
    meters = then.plant.meter[then.plant.connection_node]
    new = heard | (at_us > memory.at_us)
    assets = then.assets(at_us, meter_fresh=heard)
    memory.low_kw[new] = (state.power_kw[meters] - assets.high_kw)[new]
    memory.high_kw[new] = (state.power_kw[meters] - assets.low_kw)[new]
    memory.at_us[new] = at_us[new]


def _loads(
    plant: Plant, memory: LoadMemory, *, heard: NDArray[np.bool_], doubted_us: NDArray[np.int64], now_us: int
) -> Span:
    """[n_connections] The load behind each connection that no setpoint moves."""
    contract_kw = plant.contract_kw
    known_us = np.minimum(memory.at_us, doubted_us)
    silent_s = np.where(memory.at_us == NEVER, 1 / RAMP_RATIO_PER_S, (now_us - known_us) / 1e6)
    drift_kw = np.where(heard, 0.0, np.minimum(contract_kw * RAMP_RATIO_PER_S * silent_s, contract_kw))
    floor_kw, ceiling_kw = np.minimum(memory.low_kw, 0.0), np.maximum(memory.high_kw, contract_kw)
    return Span(
        low_kw=np.maximum(memory.low_kw - drift_kw, floor_kw),
        high_kw=np.minimum(memory.high_kw + drift_kw, ceiling_kw),
    )


def _uncontrolled(
    state: PointState, then: Then, *, loads: Span, feeders: NDArray[np.int64], heard: NDArray[np.bool_]
) -> Span:
    """[n_nodes] By the loads behind the connections; of an arm by its feeder meter, of the loop by its arms."""
    plant = then.plant
    low_kw, high_kw = plant.sum_up(loads.low_kw), plant.sum_up(loads.high_kw)
    meters = plant.meter[feeders]
    if not plant.arms_known:  # the feeders tell of both arms together, or of nothing
        if heard[meters].all():
            total_kw, below = state.power_kw[meters].sum(), then.below(int(state.at_us[meters].min()))
            low_kw[0], high_kw[0] = total_kw - below.high_kw[0], total_kw - below.low_kw[0]
        return Span(low_kw=low_kw, high_kw=high_kw)
    for arm, meter in zip(feeders, meters, strict=True):
        if heard[meter]:
            below = then.below(int(state.at_us[meter]))
            low_kw[arm] = state.power_kw[meter] - below.high_kw[arm]
            high_kw[arm] = state.power_kw[meter] - below.low_kw[arm]
    low_kw[0], high_kw[0] = low_kw[feeders].sum(), high_kw[feeders].sum()
    return Span(low_kw=low_kw, high_kw=high_kw)


def _powers(
    plant: Plant,
    state: PointState,
    *,
    uncontrolled: Span,
    below: Span,
    feeders: NDArray[np.int64],
    heard: NDArray[np.bool_],
    since_us: float,
) -> Span:
    """[n_nodes] By the node's own meter and what its assets did since, else summed from the connections, or arms, below.

    Where an asset is silent, a meter's reading from after `since_us` tells more than the two together.
    """
    own = (plant.meter >= 0) & heard[plant.meter]
    blurred = (uncontrolled.high_kw > uncontrolled.low_kw) | (below.high_kw > below.low_kw)
    bare = own & blurred & (state.at_us[plant.meter] >= since_us)
    bare[feeders] |= own[feeders] & (not plant.arms_known)  # nobody knows which loads are an arm's
    ends_kw = []
    for load_kw, asset_kw in ((uncontrolled.low_kw, below.low_kw), (uncontrolled.high_kw, below.high_kw)):
        own_kw = np.where(bare, state.power_kw[plant.meter], load_kw + asset_kw)
        summed_kw = plant.sum_up(own_kw[plant.connection_node])
        summed_kw[0] = np.where(own, own_kw, summed_kw)[feeders].sum()
        ends_kw.append(np.where(own, own_kw, summed_kw))
    return Span(low_kw=ends_kw[0], high_kw=ends_kw[1])


def _unheard(plant: Plant, beyond: Span, *, silent: NDArray[np.bool_], told: NDArray[np.bool_]) -> Span:
    """[n_nodes] Sum over the `silent` assets; nothing for an arm whose feeder is told, for that tells them too."""
    arms = np.flatnonzero(plant.parent == 0)
    ends_kw = []
    for beyond_kw in (beyond.low_kw, beyond.high_kw):
        unheard_kw = plant.sum_up(plant.per_connection(np.where(silent, beyond_kw, 0.0)))
        if plant.arms_known:
            unheard_kw[arms[told[arms]]] = 0.0
            unheard_kw[0] = unheard_kw[arms].sum()
        elif told[arms[plant.meter[arms] >= 0]].all():
            unheard_kw[0] = 0.0
        ends_kw.append(unheard_kw)
    return Span(low_kw=ends_kw[0], high_kw=ends_kw[1])


def _fresh(plant: Plant, *, own: NDArray[np.bool_], feeders: NDArray[np.int64]) -> NDArray[np.bool_]:
    """[n_nodes] Whether each node's power is told by fresh readings."""
    summed = plant.sum_up((~own[plant.connection_node]).astype(np.float64)) == 0
    summed[0] = own[feeders].all()
    return np.where(plant.meter >= 0, own, summed)


def _quarter(
    plant: Plant,
    state: PointState,
    doubted_us: NDArray[np.int64],
    *,
    power: Span,
    feeders: NDArray[np.int64],
    now_us: int,
) -> tuple[Floats, Floats]:
    """Energy and uncovered seconds of all nodes: by their own meter, else summed from what lies below."""
    own = plant.meter >= 0
    energy_kwh = np.zeros((len(plant.node_ids), 2))
    uncovered_s = np.zeros(len(plant.node_ids))
    metered = Span(low_kw=power.low_kw[own], high_kw=power.high_kw[own])
    energy_kwh[own], uncovered_s[own] = meter_quarter(
        state, plant.meter[own], doubted_us=doubted_us, power=metered, now_us=now_us
    )
    for direction in (0, 1):
        summed = plant.sum_up_quarter(energy_kwh[plant.connection_node, direction])
        energy_kwh[~own, direction] = summed[~own]
        energy_kwh[0, direction] = energy_kwh[feeders, direction].sum()
    unmetered = ~own[plant.quarter_node]
    below = plant.connection_node[plant.quarter_connection[unmetered]]
    np.maximum.at(uncovered_s, plant.quarter_node[unmetered], uncovered_s[below])
    uncovered_s[0] = uncovered_s[feeders].max(initial=0.0)
    return energy_kwh, uncovered_s


def meter_quarter(
    state: PointState, meters: NDArray[np.int64], *, doubted_us: NDArray[np.int64], power: Span, now_us: int
) -> tuple[Floats, Floats]:
    """Energy of this quarter until now, kWh [n_meters, 2], and the seconds of it no register tells, [n_meters].

    By registers to the newest reading, from there by the unfavourable end of the power [n_meters]; of a meter that is not
    believed since then on, whatever its register says meanwhile.
    """
    start_us = quarter_start_us(now_us)
    so_far = quarter_so_far(state, start_us)
    never = so_far.covered_from_us[meters] == NEVER
    uncovered_s = np.where(never, now_us - start_us, so_far.covered_from_us[meters] - start_us) / 1e6
    until_us = np.maximum(np.minimum(so_far.covered_until_us, doubted_us)[meters], start_us)
    rest_h = np.where(never, 0, np.maximum(now_us - until_us, 0)) / 1e6 / _S_PER_H
    flow_kw = np.stack([np.maximum(power.high_kw, 0.0), np.maximum(0.0 - power.low_kw, 0.0)], axis=1)
    return so_far.energy_wh[meters] * _KWH_PER_WH + flow_kw * rest_h[:, None], uncovered_s
