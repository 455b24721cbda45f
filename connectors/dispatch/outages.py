"""What becomes of devices that do not take their setpoints, and of their return when they do again (R3, R12).

Pure. A device that did not answer for as long as its own lease has gone to its reversion value by itself. When the link
of many is back they would all jump to their setpoints in the same second; so each is told its reversion value first and
returns in its turn, as after any failsafe (`connectors.dispatch.reversion`): all are back within five minutes.
"""

import math
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Final

from connectors.dispatch.rules import LoopLease, Told

RETRY_S: Final = 1.0
"""A device that did not take its setpoint is asked again after this; its own lease protects it meanwhile."""


def failed(state: LoopLease, asset_ids: Collection[str], now_s: float) -> tuple[LoopLease, tuple[str, ...]]:
    """Note devices that did not take a write: asked again later; answer those that were not failing before.

    One that has taken nothing since it was to leave failsafe never left it.
    """
    fresh = tuple(sorted(set(asset_ids) - state.retry_at_s.keys()))
    told = {asset_id: _forgotten(told) if asset_id in asset_ids else told for asset_id, told in state.told.items()}
    retry_at_s = {**state.retry_at_s, **dict.fromkeys(asset_ids, now_s + RETRY_S)}
    silent_since_s = {**dict.fromkeys(asset_ids, now_s), **state.silent_since_s}
    state = replace(state, told=told, retry_at_s=retry_at_s, silent_since_s=silent_since_s)
    return _kept_back(state, state.leaving.intersection(asset_ids)), fresh


def give_up(state: LoopLease, now_s: float) -> tuple[LoopLease, tuple[str, ...]]:
    """End the setpoints of devices that were silent for as long as their own leases; answer them, in order of id."""
    lost = tuple(
        sorted(
            asset_id
            for asset_id, since_s in state.silent_since_s.items()
            if asset_id not in state.failsafe and now_s >= since_s + state.rules[asset_id].lease_s
        )
    )
    return (_kept_back(state, lost), lost) if lost else (state, ())


def delivered(state: LoopLease, asset_ids: Collection[str], now_s: float) -> LoopLease:
    """Note devices that took a write, which ends their failing; the turns of those kept back begin to count."""
    if state.retry_at_s.keys().isdisjoint(asset_ids) and state.leaving.isdisjoint(asset_ids):
        return state
    turns_s = {
        asset_id: now_s + state.rules[asset_id].return_s if asset_id in asset_ids and at_s == math.inf else at_s
        for asset_id, at_s in state.not_before_s.items()
    }
    return replace(
        state,
        retry_at_s={asset_id: at_s for asset_id, at_s in state.retry_at_s.items() if asset_id not in asset_ids},
        silent_since_s={asset_id: at_s for asset_id, at_s in state.silent_since_s.items() if asset_id not in asset_ids},
        leaving=state.leaving.difference(asset_ids),
        not_before_s=turns_s,
    )


def _kept_back(state: LoopLease, asset_ids: Iterable[str]) -> LoopLease:
    """Put assets in failsafe until their devices answer, and their turn after that."""
    kept = frozenset(asset_ids)
    if not kept:
        return state
    return replace(
        state,
        failsafe=state.failsafe | kept,
        leaving=state.leaving - kept,
        not_before_s={**state.not_before_s, **dict.fromkeys(kept, math.inf)},
    )


def _forgotten(told: Told) -> Told:
    """Told something, nobody knows what: NaN equals no value, so the next `due` writes again."""
    return Told(math.nan, told.at_s)
