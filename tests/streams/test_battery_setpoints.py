"""What a battery is told where its targets are in the loop: a wish, said with its reason, that loses to every limit.

A roof that does not tell what it could make is believed to make 10 kW more where that is the worse. The clock says four in the night, so a worker that knows nothing yet wants a battery between 20 and 80 %.
"""

import pytest
from msgspec.structs import replace

from streams.grid_loop import GridLoop
from streams.messages import Budget, Epoch, Reason
from tests.streams.small_park import FACTORY, QUARTER_START_US, SECOND_US, frame, north_kw, small_hub
from tests.streams.virtual_park import Park

EPOCH = Epoch(1, 1, 1)
SHARE = (0, 150)


def told(measured_kw, *, soc_ratio, budget_kw=SHARE, without=()):
    """Power, reason and binding node that the battery is told."""
    loop, now_us = GridLoop(small_hub(), "north"), QUARTER_START_US + SECOND_US
    loop.begin(EPOCH)
    seen = frame(now_us, {point: kw for point, kw in measured_kw.items() if point not in without})
    seen = replace(seen, soc_ratio=[soc_ratio if point == "battery" else None for point in seen.ids])
    assert loop.fold(seen, received_at_us=now_us) == ()
    low, high = budget_kw
    budget = Budget(
        grid_loop="north", tick=1, epoch=EPOCH, number=1, issued_at_us=now_us, lease_ms=5000, min_kw=low, max_kw=high
    )
    assert loop.receive_budget(budget, now_us=now_us)
    setpoints = loop.balance(tick=1, now_us=now_us).setpoints
    at = setpoints.ids.index("battery")
    return setpoints.power_kw[at], setpoints.reason[at], setpoints.binding[at]


CASES = [
    pytest.param(north_kw(), 0.95, {}, (-37, Reason.MAKES_ROOM, ""), id="too full: into import, more slowly the nearer"),
    pytest.param(
        north_kw(factory=30, office=0), 0.95, {"budget_kw": (-50, 150)}, (-27, Reason.MAKES_ROOM, ""),
        id="no more than nine tenths of import",
    ),
    pytest.param(
        north_kw(office=10, roof=-100), 0.95, {}, (10, Reason.EXPORT_LIMIT, "park"), id="what is fed in must be taken"
    ),
    pytest.param(north_kw(), 0.5, {}, (0, Reason.TARGET, ""), id="as full as it should be"),
    pytest.param(north_kw(), 0.1, {}, (24, Reason.FILLS_RESERVE, ""), id="too empty: from headroom"),
    pytest.param(north_kw(), None, {}, (0, Reason.TARGET, ""), id="its charge is not known"),
    pytest.param(
        north_kw(), 0.95, {"budget_kw": (140, 400)}, (30, Reason.EXPORT_LIMIT, "park"), id="a wish to discharge loses"
    ),
    pytest.param(
        north_kw(), 0.1, {"budget_kw": (0, 100)}, (-20, Reason.IMPORT_LIMIT, "park"), id="a wish to charge loses"
    ),
    pytest.param(
        north_kw(factory=240), 0.1, {"budget_kw": (0, 450)}, (-40, Reason.IMPORT_LIMIT, FACTORY), id="at a connection"
    ),
    pytest.param(north_kw(), 0.95, {"without": ("north/a",)}, (0, Reason.FALLBACK, ""), id="R7: a feeder is not heard"),
]  # fmt: skip


@pytest.mark.parametrize(("measured_kw", "soc_ratio", "given", "expected"), CASES)
def test_a_battery_is_told_where_it_would_be_unless_a_limit_moves_it(measured_kw, soc_ratio, given, expected):
    power_kw, *why = told(measured_kw, soc_ratio=soc_ratio, **given)
    assert (power_kw, *why) == (pytest.approx(expected[0], abs=0.5), *expected[1:])


def test_in_the_park_full_batteries_empty_into_import_and_never_beyond_it():
    """Five minutes of an evening; every battery that is too full moves, the park keeps its limits all the while."""
    park = Park("winter-evening")
    park.closed.state.stored_kwh[:] = 0.95 * park.plant.batteries.capacity_kwh
    before_kwh, reasons, least_kw, violations = park.state.stored_kwh.sum(), set(), [], []
    for _ in range(300):
        park.turn()
        reasons |= {why for cycle in park.cycles.values() for why in cycle.setpoints.reason}
        violations += [cycle.state.violations for cycle in park.cycles.values() if cycle.state.violations]
        least_kw.append(min(park.state.node_w[park.plant.network.node_ids.index(name)] for name in park.loops) / 1000)
    assert park.state.stored_kwh.sum() < before_kwh - 10
    assert Reason.MAKES_ROOM in reasons
    assert min(least_kw[10:]) > 0
    assert violations == []
