"""The lease rules and the devices together, in virtual time: what the park does when the worker, or dispatch, is gone."""

import numpy as np
import pytest

from connectors.dispatch import rules
from connectors.dispatch.marks import lowest_mark
from connectors.dispatch.reversion import asset_rules
from connectors.simulator.leases import fresh_leases, told
from connectors.simulator.wire import Write
from streams.messages import Epoch, SetpointFrame
from tests.connectors.simulator.park_words import SECOND_US, by_kind, kinds_kw, node_kw

LIFE_S = 20
"""The worker renews this long, then is silent."""


def frame(park, loop_rules, wanted_kw, *, state, sequence):
    ids = list(loop_rules)
    place = {asset.id: at for at, asset in enumerate(park.assets)}
    return SetpointFrame(
        grid_loop="",
        epoch=Epoch(1, 1, 1),
        sequence=sequence,
        tick=sequence,
        issued_at_us=state.at_us,
        valid_for_ms=10_000,
        folded_until_us=state.at_us,
        full=True,
        ids=ids,
        power_kw=[float(wanted_kw[place[asset_id]]) for asset_id in ids],
        bound=["exact"] * len(ids),
        reason=["target"] * len(ids),
        binding=[""] * len(ids),
    )


def live(park, hub, wanted_kw, *, dispatch_dies_s):
    """States of two minutes: the worker speaks for `LIFE_S`; dispatch runs until `dispatch_dies_s`."""
    index = {asset.id: at for at, asset in enumerate(park.assets)}
    leases, state = fresh_leases(len(park.assets)), park.start()
    loops = {
        grid_loop: rules.start(loop_rules, lowest_mark(1), in_failsafe=False)
        for grid_loop, loop_rules in asset_rules(hub).items()
    }
    for now_s in range(120):
        for grid_loop, loop in loops.items() if now_s < dispatch_dies_s else ():
            if now_s < LIFE_S:
                order = frame(park, loop.rules, wanted_kw, state=state, sequence=now_s)
                loop, _ = rules.receive(loop, order, now_s=now_s, now_us=state.at_us)  # noqa: PLW2901 - its next state
            loop, _ = rules.expire(loop, now_s)  # noqa: PLW2901 - its next state
            loops[grid_loop], writes = rules.due(loop, now_s)
            batch = [Write(write.asset_id, write.power_kw, write.lease_s) for write in writes]
            leases, refused = told(leases, batch, index=index, now_s=now_s)
            assert not refused
        obeyed_kw, _ = leases.obeyed_kw(park.reversion_kw, now_s)
        state = park.step(state, obeyed_kw, at_us=state.at_us + SECOND_US)
        yield state


@pytest.mark.parametrize("dispatch_dies_s", [1_000, LIFE_S], ids=["worker gone", "worker and dispatch gone"])
def test_R3_at_the_end_of_a_lease_zero_export_is_not_broken_on_the_way_to_reversion(  # noqa: N802 - rules are numbered so
    park_in, de_koumen, dispatch_dies_s
):
    park = park_in("sunny-noon", soc_first_ratio=0.5, soc_last_ratio=0.5, cloud_depth_ratio=0.0)
    wanted_kw = by_kind(park, battery=130, charger=1e6, pv=-1e6, flexible_load=1e6)
    states = list(live(park, de_koumen, wanted_kw, dispatch_dies_s=dispatch_dies_s))
    held_kw = np.array([node_kw(park, state, "park") for state in states])
    assert kinds_kw(park, states[LIFE_S - 1])["pv"] < -1_500
    # While the batteries take the surplus, and on the whole way to reversion, the park imports.
    assert held_kw[LIFE_S - 1] > 0
    assert held_kw[LIFE_S:].min() >= min(held_kw[LIFE_S - 5 : LIFE_S].min(), 0) - 25
    last = kinds_kw(park, states[-1])
    assert last["battery"] == 0
    assert last["pv"] > -270


def test_R3_a_device_goes_to_its_reversion_value_ramped(park_in, de_koumen):  # noqa: N802 - rules are numbered so
    park = park_in("cloudy", cloud_depth_ratio=0.0)
    states = list(live(park, de_koumen, by_kind(park, battery=100, pv=-1e6), dispatch_dies_s=LIFE_S))
    powers_kw = np.array([state.asset_w / 1000 for state in states[LIFE_S:]])
    at = park.battery_at
    assert np.all(np.abs(np.diff(powers_kw[:, at], axis=0)) <= park.batteries.ramp_kw_per_s + 1e-3)
    assert np.all(powers_kw[-1, at] == 0)
