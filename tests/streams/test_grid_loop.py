"""One grid loop from tick to tick: it offers, obeys its budget while it lasts, and answers in every tick."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.codec import Rejected
from streams.grid_loop import GridLoop
from streams.messages import Budget, DeadLetterReason, Epoch
from tests.streams.small_park import QUARTER_START_US, SECOND_US, STALE_AFTER_S, frame, north_kw, small_hub

EPOCH = Epoch(1, 4, 9)
HUB_EPOCH = Epoch(1, 2, 3)
LEASE_S = 5


def at(second):
    return QUARTER_START_US + round(second * SECOND_US)


def hear(loop, *, second=0, **powers_kw):
    assert loop.fold(frame(at(second), north_kw(**powers_kw)), received_at_us=at(second)) == ()


def budget(*, second=0, number=7, min_kw=0.0, max_kw=90.0):
    return Budget(
        grid_loop="north", tick=second, epoch=HUB_EPOCH, number=number, issued_at_us=at(second),
        lease_ms=LEASE_S * 1000, min_kw=min_kw, max_kw=max_kw,
    )  # fmt: skip


@pytest.fixture
def loop():
    """Claimed, and heard once: 80 and 40 kW of load, nothing else moves."""
    claimed = GridLoop(small_hub(), "north")
    claimed.begin(EPOCH)
    hear(claimed)
    return claimed


def battery_kw(cycle):
    return dict(zip(cycle.setpoints.ids, cycle.setpoints.power_kw, strict=True))["battery"]


def test_an_offer_says_what_is_measured_what_cannot_be_helped_and_what_could_be_done(loop):
    hear(loop, second=1, battery=10.0, roof=-30.0)
    offer = loop.offer(tick=1, now_us=at(1))
    assert (offer.grid_loop, offer.tick, offer.epoch) == ("north", 1, EPOCH)
    assert (offer.power_kw, offer.uncontrolled_low_kw) == (100, 120)
    # least: discharging what the factory takes, for it may not export, and a tenth more sun; most: charging, no sun
    assert (offer.curve.power_kw[0], offer.curve.power_kw[-1]) == (-80 - 40, 100)


@pytest.mark.parametrize(
    ("heard_between", "seen_at_s", "power_kw"),
    [pytest.param(False, 1.0, 120, id="nothing new"), pytest.param(True, 1.1, 130, id="a frame between")],
)
def test_a_tick_looks_once_and_again_only_where_something_new_was_heard(loop, heard_between, seen_at_s, power_kw):
    loop.offer(tick=1, now_us=at(1))
    if heard_between:
        hear(loop, second=1, battery=10.0)
    state = loop.balance(tick=1, now_us=at(1.1)).state
    assert (state.at_us, state.nodes.power_kw[0]) == (at(seen_at_s), power_kw)


def test_a_tick_without_an_offer_or_after_the_next_one_looks_for_itself(loop):
    loop.offer(tick=1, now_us=at(1))
    assert loop.balance(tick=2, now_us=at(2)).state.at_us == at(2)
    assert loop.balance(tick=3, now_us=at(3)).state.at_us == at(3)


@pytest.mark.parametrize(
    ("age_s", "acknowledged"),
    [
        pytest.param(0, (7, HUB_EPOCH), id="just received"),
        pytest.param(LEASE_S, (7, HUB_EPOCH), id="on the last moment of its lease"),
        pytest.param(LEASE_S + 1, (0, Epoch(0, 0, 0)), id="its lease is over"),
    ],
)
def test_an_offer_acknowledges_a_budget_only_while_it_is_on_lease(loop, age_s, acknowledged):
    assert loop.receive_budget(budget(), now_us=at(0))
    offer = loop.offer(tick=age_s, now_us=at(age_s))
    assert (offer.acknowledged, offer.acknowledged_epoch) == acknowledged


@pytest.mark.parametrize("leases", [0, 1, 2])
@pytest.mark.parametrize(
    ("office_kw", "granted_kw", "battery_by_lease_kw"),
    [
        pytest.param(90.0, (0.0, 400.0), (0, -20, -20), id="room is lost with the lease"),
        pytest.param(
            90.0, (0.0, 130.0), (-40, -40, -20), id="a tighter budget than the share holds for one lease more"
        ),
        pytest.param(40.0, (140.0, 400.0), (30, 30, 0), id="likewise downwards"),
    ],
)
def test_a_budget_is_obeyed_while_it_lasts_then_what_it_shares_with_the_fallback_then_that(
    loop, office_kw, granted_kw, battery_by_lease_kw, leases
):
    assert loop.receive_budget(budget(min_kw=granted_kw[0], max_kw=granted_kw[1]), now_us=at(0))
    second = leases * (LEASE_S + 1)
    hear(loop, second=second + 1, office=office_kw)
    assert battery_kw(loop.balance(tick=second, now_us=at(second))) == battery_by_lease_kw[leases]


@pytest.mark.parametrize("take", ["receive", "remember"])
@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"lease_ms": 0}, id="no lease"),
        pytest.param({"lease_ms": -1}, id="a lease that ended before it began"),
        pytest.param({"lease_ms": 10**18}, id="a lease for ever"),
        pytest.param({"min_kw": 100.0, "max_kw": 90.0}, id="at least more than at most"),
        pytest.param({"max_kw": 1.7e308}, id="more than any loop"),
        pytest.param({"min_kw": 151.0, "max_kw": 400.0}, id="nothing of the fallback share in it"),
    ],
)
def test_a_budget_that_means_nothing_is_none_whether_it_comes_or_is_read_back(loop, changed, take):
    false = msgspec.structs.replace(budget(max_kw=100.0), **changed)
    if take == "receive":
        assert loop.receive_budget(false, now_us=at(0)) is False
    loop.remember_budget(false)
    assert battery_kw(loop.balance(tick=1, now_us=at(0))) == 0


def test_r1_a_frame_carries_epoch_sequence_age_and_duration(loop):
    sent = [loop.balance(tick=tick, now_us=at(0.1)).setpoints for tick in (1, 2)]
    assert [(f.epoch, f.sequence, f.issued_at_us, f.valid_for_ms) for f in sent] == [
        (EPOCH, 1, at(0.1), 10_000), (EPOCH, 2, at(0.1), 10_000),
    ]  # fmt: skip
    assert {frame.folded_until_us for frame in sent} == {at(0)}


def test_r13_before_anything_is_heard_every_asset_is_told_what_it_falls_back_to():
    loop = GridLoop(small_hub(), "north")
    loop.begin(EPOCH)
    cycle = loop.balance(tick=1, now_us=at(1))
    assert (cycle.state.mode, cycle.setpoints.power_kw, set(cycle.setpoints.reason)) == (
        "fallback",
        [0, 0],
        {"fallback"},
    )
    assert cycle.state.folded_until_us < 0


def test_a_loop_that_was_not_claimed_neither_offers_nor_writes():
    loop = GridLoop(small_hub(), "north")
    with pytest.raises(RuntimeError, match="north was not claimed"):
        loop.offer(tick=1, now_us=at(1))
    with pytest.raises(RuntimeError, match="claimed"):
        loop.balance(tick=1, now_us=at(1))


def test_a_new_claim_keeps_what_was_measured_and_forgets_what_was_missed(loop):
    loop.missed_ticks = 3
    loop.begin(Epoch(1, 5, 0))
    state = loop.balance(tick=1, now_us=at(1)).state
    assert (state.epoch, state.missed_ticks, state.mode) == (Epoch(1, 5, 0), 0, "closed")


def test_a_frame_of_unequal_columns_changes_nothing(loop):
    lame = frame(at(1), north_kw(factory=500.0))
    lame.power_kw.pop()
    refused = loop.fold(lame, received_at_us=at(1))
    assert isinstance(refused, Rejected)
    assert refused.reason == DeadLetterReason.UNEQUAL_COLUMNS
    assert loop.folded_until_us == at(0)


def test_one_bad_reading_does_not_take_the_others_with_it(loop):
    (bad,) = loop.fold(frame(at(1), north_kw(factory=90.0) | {"roof": 9e9}), received_at_us=at(1))
    assert (bad.point, bad.reason) == ("roof", DeadLetterReason.ABSURD_VALUE)
    assert loop.offer(tick=1, now_us=at(1)).uncontrolled_low_kw == 130


powers = st.floats(-300, 300)


@settings(max_examples=150, deadline=None)
@given(
    powers_kw=st.fixed_dictionaries({"factory": powers, "office": powers, "battery": powers, "roof": powers}),
    unheard=st.sets(st.sampled_from(list(north_kw()))),
    granted=st.none() | st.tuples(st.floats(-500, 150), st.floats(0, 500)),
    age_s=st.sampled_from([0.0, STALE_AFTER_S, STALE_AFTER_S + 1, 60.0]),
)
def test_r21_every_tick_tells_every_asset_something_it_can_do(powers_kw, unheard, granted, age_s):
    loop = GridLoop(small_hub(), "north")
    loop.begin(EPOCH)
    heard = {point: kw for point, kw in north_kw(**powers_kw).items() if point not in unheard}
    loop.fold(frame(at(0), heard), received_at_us=at(0))
    if granted is not None:
        loop.receive_budget(budget(min_kw=granted[0], max_kw=granted[1]), now_us=at(0))
    for tick in range(2):
        loop.offer(tick=tick, now_us=at(age_s + tick))
        told = loop.balance(tick=tick, now_us=at(age_s + tick)).setpoints
        devices = loop.plant.devices
        assert len(told.ids) == (len(loop.plant.assets) if told.full else 0)
        assert all(
            low <= kw <= high for low, kw, high in zip(devices.min_kw, told.power_kw, devices.max_kw, strict=False)
        )
        assert told.full or tick > 0
