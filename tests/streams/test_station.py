"""The hub agent from tick to tick: who has offered, what is lent under which limits, and when nothing is."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.model import GROUP, PARK, Judged, LimitLayer, Margin, NodeLimit
from streams.budgets import Held, Interval
from streams.codec import Rejected
from streams.messages import Budget, Curve, DeadLetterReason, Epoch, Offer
from streams.station import Station
from tests.streams.small_park import QUARTER_START_US, SECOND_US, STALE_AFTER_S, frame, small_hub

EPOCH = Epoch(1, 1, 1)
LOOPS = ("north", "south")
NOW_US = QUARTER_START_US + 300 * SECOND_US
UNCLAIMED = Epoch(0, 0, 0)


def limit(node, *, import_kw=None, export_kw=None, apparent=False):
    return NodeLimit(
        node=node, layer=LimitLayer.CONTRACT, judged=Judged.INSTANT, import_kw=import_kw, export_kw=export_kw,
        source="invented", apparent=apparent,
    )  # fmt: skip


BOUNDARY = (limit(PARK, import_kw=300.0, export_kw=0.0), limit(GROUP, import_kw=1000.0))


def station_of(*limits, margin_kw=(0.0, 0.0), fallback_kw=(150.0, 150.0), cos_phi_ratio=1.0):
    hub = replace(small_hub(), cos_phi_ratio=cos_phi_ratio)
    margin = Margin(import_kw=margin_kw[0], export_kw=margin_kw[1], source="invented")
    loops = tuple(replace(loop, fallback_max_kw=kw) for loop, kw in zip(hub.grid_loops, fallback_kw, strict=True))
    station = Station(replace(hub, limits=limits or BOUNDARY, margin=margin, grid_loops=loops))
    station.begin(EPOCH)
    return station


def offer(name, *, tick=1, net_kw=100.0, room_kw=0.0, obeys=None):
    """The loop takes `net_kw` and could take `room_kw` less, or as much more; it obeys that budget."""
    powers_kw = [-float(room_kw), 0.0, 0.0, 0.0, float(room_kw)]
    curve = Curve(order=[-1, -1, 0, 1, 1], pressure=[-1.0, 0.0, 0.0, 0.0, 1.0], power_kw=powers_kw)
    return Offer(
        grid_loop=name, tick=tick, epoch=EPOCH, issued_at_us=NOW_US, curve=curve, power_kw=net_kw,
        uncontrolled_low_kw=net_kw, uncontrolled_high_kw=net_kw, acknowledged=obeys.number if obeys else 0,
        acknowledged_epoch=obeys.epoch if obeys else UNCLAIMED,
    )  # fmt: skip


def turn(station, tick, *, nets_kw, room_kw=0.0, obeyed=None, boundary_kw=None):
    """One tick, `tick` seconds on: meters, offers of the loops in `nets_kw`, clearing. Returns budgets by loop."""
    now_us = NOW_US + tick * SECOND_US
    shown_kw = sum(nets_kw.values()) if boundary_kw is None else boundary_kw
    assert station.fold(frame(now_us, {PARK: shown_kw, GROUP: shown_kw}), received_at_us=now_us) == ()
    for name, net_kw in nets_kw.items():
        station.receive_offer(offer(name, tick=tick, net_kw=net_kw, room_kw=room_kw, obeys=(obeyed or {}).get(name)))
    return {budget.grid_loop: budget for budget in station.clear(tick=tick, now_us=now_us).budgets}


def settled(station, *, nets_kw, room_kw=0.0, boundary_kw=None):
    """Budgets after some ticks in which both loops obeyed what they got: nothing is reserved twice any more."""
    budgets = {}
    for tick in range(1, 9):
        budgets = turn(station, tick, nets_kw=nets_kw, room_kw=room_kw, obeyed=budgets, boundary_kw=boundary_kw)
    return budgets


def ends(budgets):
    """The two ends of each budget, rounded to a watt."""
    return {name: (round(budget.min_kw, 3), round(budget.max_kw, 3)) for name, budget in budgets.items()}


@pytest.mark.parametrize(
    ("limits", "margin_kw", "boundary_kw", "expected"),
    [
        pytest.param(BOUNDARY, (0, 0), 160, {"north": (20, 170), "south": (-20, 130)}, id="room is dealt out evenly"),
        pytest.param(BOUNDARY, (40, 0), 160, {"north": (20, 150), "south": (-20, 110)}, id="an import margin is kept"),
        pytest.param(BOUNDARY, (0, 30), 160, {"north": (35, 170), "south": (-5, 130)}, id="an export margin is kept"),
        pytest.param(BOUNDARY, (0, 0), 180, {"north": (10, 160), "south": (-30, 120)}, id="what only the boundary sees"),
        pytest.param(
            (*BOUNDARY, limit(GROUP, import_kw=200.0)), (50, 0), 160, {"north": (20, 120), "south": (-20, 80)},
            id="the group is tighter, and has no margin",
        ),
    ],
)  # fmt: skip
def test_what_is_lent_adds_up_to_what_the_tightest_limit_leaves(limits, margin_kw, boundary_kw, expected):
    station = station_of(*limits, margin_kw=margin_kw)
    assert ends(settled(station, nets_kw={"north": 100, "south": 60}, boundary_kw=boundary_kw)) == expected


@pytest.mark.parametrize(
    ("fallback_kw", "most_kw"),
    [
        pytest.param((100, 40), {"north": 100 + 100, "south": 60 + 40}, id="by the width of the fallback shares"),
        pytest.param((0, 0), {"north": 100 + 70, "south": 60 + 70}, id="evenly where those have none"),
    ],
)
def test_who_gets_the_140_kw_that_no_limit_needs(fallback_kw, most_kw):
    budgets = settled(station_of(fallback_kw=fallback_kw), nets_kw={"north": 100, "south": 60})
    assert {name: round(budget.max_kw, 3) for name, budget in budgets.items()} == most_kw


def test_a_park_that_draws_too_much_lends_less_than_is_drawn_and_says_what_binds():
    station = station_of()
    budgets = settled(station, nets_kw={"north": 200, "south": 140}, room_kw=50)
    assert ends(budgets)["north"][1] + ends(budgets)["south"][1] == 300
    assert ends(budgets)["north"][1] == 180
    state = station.clear(tick=9, now_us=NOW_US + 8 * SECOND_US).state
    assert state.nodes.limit_import_kw == [300, 1000]
    assert station.clear(tick=8, now_us=NOW_US + 8 * SECOND_US).state.nodes.binding == ["import", ""]


def test_a_park_without_a_group_contract_tells_of_both_its_nodes():
    station = station_of(limit(PARK, import_kw=300.0, export_kw=0.0))
    turn(station, 1, nets_kw={"north": 200, "south": 140}, room_kw=50)
    nodes = station.clear(tick=1, now_us=NOW_US + SECOND_US).state.nodes
    assert (nodes.ids, nodes.binding, nodes.limit_import_kw) == ([PARK, GROUP], ["import", ""], [300, None])


def test_of_a_boundary_limit_in_kva_only_what_the_power_factor_leaves_is_lent():
    station = station_of(limit(PARK, import_kw=300.0, export_kw=0.0, apparent=True), cos_phi_ratio=0.9)
    budgets = settled(station, nets_kw={"north": 100.0, "south": 60.0})
    assert sum(budget.max_kw for budget in budgets.values()) == pytest.approx(270.0)


def test_energy_used_early_in_the_quarter_is_missing_from_what_is_lent_later():
    station = Station(small_hub())  # 300 kW as a quarter's mean: 75 kWh, two promille of them kept free
    station.begin(EPOCH)
    for at_us, used_wh in ((QUARTER_START_US, 0), (NOW_US, 45_000)):
        meters = frame(at_us, {PARK: 160.0, GROUP: 160.0}, {PARK: used_wh})
        assert station.fold(meters, received_at_us=at_us) == ()
    for name, net_kw in (("north", 100), ("south", 60)):
        station.receive_offer(offer(name, net_kw=net_kw))
    nodes = station.clear(tick=1, now_us=NOW_US).state.nodes
    assert nodes.limit_import_kw[0] == pytest.approx((75 * 0.998 - 45) / (600 / 3600))
    assert nodes.quarter_import_kw[0] == pytest.approx(45 * 12)


def test_all_have_offered_only_when_the_last_loop_has_for_this_tick():
    station = station_of()
    assert [
        station.receive_offer(offer(name, tick=tick))
        for name, tick in (("north", 1), ("north", 1), ("south", 1), ("north", 2), ("south", 1), ("south", 2))
    ] == [False, False, True, False, False, True]


def test_an_offer_of_a_loop_that_the_hub_does_not_know_changes_nothing():
    station = station_of()
    station.receive_offer(offer("north"))
    assert station.receive_offer(offer("elsewhere")) is False
    assert set(turn(station, 1, nets_kw={"north": 100, "south": 60})) == set(LOOPS)


def test_an_offer_that_comes_late_leaves_what_is_lent_as_it_was():
    lent = []
    for late in ((), (offer("north", tick=3, net_kw=290),)):
        station = station_of()
        budgets = settled(station, nets_kw={"north": 100, "south": 60}, room_kw=50)
        for each in late:
            assert station.receive_offer(each) is False
        for name, budget in budgets.items():
            station.receive_offer(offer(name, tick=9, net_kw=80, room_kw=50, obeys=budget))
            station.receive_offer(offer(name, tick=8, net_kw=290, room_kw=50, obeys=budget))
        lent.append(ends({b.grid_loop: b for b in station.clear(tick=9, now_us=NOW_US + 9 * SECOND_US).budgets}))
    assert lent[0] == lent[1]
    assert lent[0]["north"][1] == 150


def test_an_offer_that_comes_late_does_not_replace_a_newer_one():
    station = station_of()
    settled(station, nets_kw={"north": 100, "south": 60})
    station.receive_offer(offer("north", tick=3, net_kw=290))
    assert station.clear(tick=8, now_us=NOW_US + 8 * SECOND_US).state.nodes.binding == ["", ""]


def test_budgets_are_numbered_under_the_claim_and_begin_anew_with_the_next():
    station = station_of()
    first = turn(station, 1, nets_kw={"north": 100, "south": 60})
    second = turn(station, 2, nets_kw={"north": 100, "south": 60})
    station.begin(Epoch(1, 2, 7))
    third = turn(station, 3, nets_kw={"north": 100, "south": 60})
    numbers = [sorted(budget.number for budget in budgets.values()) for budgets in (first, second, third)]
    assert numbers == [[1, 2], [3, 4], [1, 2]]
    assert {budget.epoch for budget in third.values()} == {Epoch(1, 2, 7)}


def test_without_a_claim_nothing_is_lent():
    station = Station(small_hub())
    with pytest.raises(RuntimeError, match="@station was not claimed"):
        turn(station, 1, nets_kw={"north": 100, "south": 60})


@pytest.mark.parametrize("lost", [PARK, GROUP])
def test_r7_a_meter_that_is_not_heard_ends_the_lending_until_it_is_back(lost):
    station = station_of()
    turn(station, 1, nets_kw={"north": 100, "south": 60})
    other = GROUP if lost == PARK else PARK
    states = []
    for second in range(2, 9):
        now_us = NOW_US + second * SECOND_US
        station.fold(frame(now_us, {other: 160.0}), received_at_us=now_us)
        clearing = station.clear(tick=second, now_us=now_us)
        states.append((clearing.state.mode, len(clearing.budgets)))
    last_heard_s = 1 + int(STALE_AFTER_S)
    assert states == [("closed", 2) if second <= last_heard_s else ("fallback", 0) for second in range(2, 9)]
    assert len(turn(station, 9, nets_kw={"north": 100, "south": 60})) == 2


def test_a_frame_of_unequal_columns_is_refused_and_an_unknown_meter_is_masked():
    station = station_of()
    torn = msgspec.structs.replace(frame(NOW_US, {PARK: 1.0, GROUP: 1.0}), power_kw=[1.0])
    refused = station.fold(torn, received_at_us=NOW_US)
    assert isinstance(refused, Rejected)
    assert station.folded_until_us < NOW_US
    (bad,) = station.fold(frame(NOW_US, {PARK: 1.0, "cellar": 9.0}), received_at_us=NOW_US)
    assert (bad.row, bad.point, bad.reason) == (1, "cellar", DeadLetterReason.UNKNOWN_POINT)
    assert station.folded_until_us == NOW_US


def test_r13_nothing_is_lent_before_all_loops_have_offered_together_once():
    station = station_of()
    assert turn(station, 1, nets_kw={"north": 100}, boundary_kw=160) == {}
    assert station.clear(tick=1, now_us=NOW_US + SECOND_US).state.mode == "fallback"
    assert len(turn(station, 2, nets_kw={"north": 100, "south": 60})) == 2
    assert len(turn(station, 3, nets_kw={"north": 100}, boundary_kw=160)) == 2


def test_what_a_predecessor_lent_is_counted_until_its_leases_are_over():
    station = station_of()
    lent = Budget(
        grid_loop="south", tick=0, epoch=Epoch(1, 0, 9), number=40, issued_at_us=NOW_US, lease_ms=5000, min_kw=0.0,
        max_kw=250.0,
    )  # fmt: skip
    station.remember_budget(lent)
    budgets, most_kw = {}, []
    for tick in range(1, 15):
        nets_kw = {"north": 40, "south": 60} if tick == 1 else {"north": 40}
        budgets = turn(station, tick, nets_kw=nets_kw, obeyed=budgets, boundary_kw=100)
        most_kw.append(round(budgets["north"].max_kw, 3))
    beside_lent_kw, beside_fallback_kw = 300 - 250 - 40, 300 - 150 - 40  # what is left when north takes its 40
    until_s = 2 * 5 + 1  # two leases and what clocks may differ
    assert most_kw[2:until_s] == [40 + beside_lent_kw / 2] * (until_s - 2)
    assert most_kw[until_s:] == [40 + beside_fallback_kw / 2] * (14 - until_s)


def test_a_loop_that_offers_nothing_keeps_what_it_may_be_obeying_and_others_get_the_rest():
    station = station_of()
    budgets = settled(station, nets_kw={"north": 100, "south": 60})
    held = budgets["south"]
    for tick in range(9, 12):
        budgets = turn(station, tick, nets_kw={"north": 100}, obeyed=budgets, boundary_kw=160)
        assert budgets["north"].max_kw + max(held.max_kw, budgets["south"].max_kw) <= 300 + 1e-9
        assert budgets["north"].min_kw + min(held.min_kw, budgets["south"].min_kw) >= -1e-9


calm = st.floats(-50, 250)


@settings(max_examples=60, deadline=None)
@given(
    ticks=st.lists(
        st.tuples(
            st.tuples(calm, calm), st.floats(0, 150), st.sets(st.sampled_from(LOOPS)), st.sets(st.sampled_from(LOOPS))
        ),
        min_size=1,
        max_size=25,
    ),
    margin_kw=st.sampled_from([(0.0, 0.0), (40.0, 0.0)]),
)
def test_whatever_is_offered_or_lost_loops_together_may_never_pass_the_boundary(ticks, margin_kw):
    station = station_of(margin_kw=margin_kw, fallback_kw=(130.0, 130.0))
    held = dict.fromkeys(LOOPS, Held(Interval(0.0, 130.0)))
    for tick, (nets_kw, room_kw, unheard, undelivered) in enumerate(ticks, start=1):
        now_us = NOW_US + tick * SECOND_US
        obeyed = {name: h.budget for name, h in held.items() if h.budget and h.on_lease(now_us=now_us)}
        nets = {name: kw for name, kw in zip(LOOPS, nets_kw, strict=True) if name not in unheard}
        budgets = turn(station, tick, nets_kw=nets, room_kw=room_kw, obeyed=obeyed, boundary_kw=sum(nets_kw))
        for name, budget in budgets.items():
            if name not in undelivered:
                held[name] = held[name].receive(budget, now_us=now_us)
        allowed = [h.interval(now_us=now_us) for h in held.values()]
        assert sum(interval.max_kw for interval in allowed) <= 300 - margin_kw[0] + 1e-6
        assert sum(interval.min_kw for interval in allowed) >= -1e-6
