"""When a breach is said and when it is over, in virtual time: what the meters tell, and at which second what follows (R19)."""

import math
import random

import numpy as np
import pytest

from connectors.watchdog.breaches import share
from hub.model import Certainty, OpenPoint
from hub.open_point import placed
from hub.tree import build_tree
from streams.codec import decode_telemetry, encode
from streams.guard_messages import ConditionPhase
from streams.messages import Quality, TelemetryFrame
from tests.connectors.watchdog.metered_words import FACTORY, METERS, OFFICE, Metered, limit
from tests.streams.mutations import mutate
from tests.streams.small_park import small_hub

INSTANT_100 = limit("north/a", "instant", import_kw=100.0)
QUARTER_100 = limit("north/a", "quarter", import_kw=100.0, export_kw=50.0)
NEAR, NOT_NEAR = "+near north/a import", "-near north/a import"
USED_UP, NOT_USED_UP = "+quarter north/a import", "-quarter north/a import"


@pytest.mark.parametrize(
    ("kw", "borne_s"),
    [
        pytest.param(101.9, math.inf, id="1.019 times"),
        pytest.param(102.1, 10, id="1.021 times"),
        pytest.param(106.6, 10, id="1.066 times"),
        pytest.param(106.8, 3, id="1.068 times"),
        pytest.param(168.9, 3, id="1.689 times"),
        pytest.param(169.1, 0, id="1.691 times"),
    ],
)
def test_R19_power_above_a_limit_is_borne_as_long_as_the_tolerance_curve_allows(kw, borne_s):  # noqa: N802
    park = Metered(INSTANT_100).tell(90, seconds=20).tell(kw, seconds=60)
    assert park.said == ([] if math.isinf(borne_s) else [(21 + borne_s, "+instant north/a import")])


@pytest.mark.parametrize(("kw", "borne_s"), [(102.1, 10), (106.8, 3)])
def test_R19_what_ends_within_that_time_is_none_however_often(kw, borne_s):  # noqa: N802
    park = Metered(INSTANT_100)
    for _ in range(20):
        park.tell(kw, seconds=borne_s).tell(101)
    assert park.said == []


def test_R19_any_power_above_a_limit_of_zero_is_borne_for_10_s():  # noqa: N802
    park = Metered(limit("north/a", "instant", export_kw=0.0)).tell(-500, seconds=10).tell(0).tell(-0.1, seconds=20)
    assert park.said == [(22, "+instant north/a export")]


def test_R19_a_breach_is_over_below_97_percent_and_not_before():  # noqa: N802
    park = Metered(INSTANT_100).tell(200).tell(99, seconds=30).tell(97.1, seconds=30).tell(96.9, seconds=5)
    assert park.said == [(1, "+instant north/a import"), (62, "-instant north/a import")]
    assert park.figures["instant north/a import"] == {"power_kw": 200, "limit_kw": 100, "over_kw": 100}


def test_R19_a_quarter_above_its_limit_from_the_start_is_foreseen_at_half_time_and_used_up_when_it_is():  # noqa: N802
    park = Metered(QUARTER_100).tell(110, seconds=900 + 10).tell(20, seconds=100)
    assert park.said == [(431, NEAR), (819, USED_UP), (900, NOT_USED_UP), (900, NOT_NEAR)]
    figures = park.figures["near north/a import"]
    assert figures["projected_kw"] == pytest.approx(110, abs=0.01)
    assert figures["quarter_left_s"] == 900 - 431
    assert figures["breach_in_s"] == pytest.approx(900 / 1.1 - 431, abs=0.1)
    assert figures["reduce_kw"] == pytest.approx(110 - (90_000 - 431 * 110) / 469, abs=0.1)


@pytest.mark.parametrize("from_s", [500, 800, 850, 880, 895])
def test_R19_a_surge_late_in_a_quarter_is_said_in_time_or_in_the_first_second_that_shows_it(from_s):  # noqa: N802
    """From there on as much as makes the mean 105 kW in the end."""
    surge_kw = 90 + 15 * 900 / (900 - from_s)
    park = Metered(QUARTER_100).tell(90, seconds=from_s).tell(surge_kw, seconds=905 - from_s)
    first_s, word = park.said[0]
    print(f"{surge_kw:.0f} kW from second {from_s} on: said in second {first_s}")
    assert word == NEAR
    assert first_s <= max(900 - 35.5, from_s + 1)


def test_R19_a_surge_of_the_very_last_second_is_said_though_its_quarter_is_over():  # noqa: N802
    park = Metered(QUARTER_100).tell(99.9, seconds=899).tell(300).tell(10, seconds=5)
    assert [word for at_s, word in park.said if at_s == 900] == [USED_UP, NEAR, NOT_USED_UP, NOT_NEAR]


@pytest.mark.parametrize("surge_s", [60, 180, 400])
def test_R19_a_quarter_that_begins_above_its_limit_and_ends_below_it_is_none(surge_s):  # noqa: N802
    park = Metered(QUARTER_100).tell(115, seconds=surge_s).tell(80, seconds=900 - surge_s)
    assert park.said == []


def test_R19_what_is_foreseen_is_over_below_97_percent_of_the_limit():  # noqa: N802
    """After 500 s at 110 kW the mean will be 97.2 kW at 81 kW, and 96.7 kW at 80 kW."""
    park = Metered(QUARTER_100).tell(110, seconds=500).tell(81, seconds=50).tell(80, seconds=350)
    assert park.said == [(431, NEAR), (551, NOT_NEAR)]


def test_R19_quarters_count_registers_where_they_tell_and_powers_where_they_do_not():  # noqa: N802
    lying_kw = [40.0, 0.0, 40.0, 0.0]
    registers = Metered(QUARTER_100).tell(110, seconds=900, power_kw=lying_kw)
    assert (819, USED_UP) in registers.said
    powers = Metered(QUARTER_100).tell(110, seconds=900, energy_import_wh=[], energy_export_wh=[])
    assert (819, USED_UP) in powers.said


def test_R19_a_watchdog_that_began_late_counts_what_it_did_not_hear_at_the_first_power():  # noqa: N802
    assert Metered(QUARTER_100, from_s=600).tell(99, seconds=290).said == []
    park = Metered(QUARTER_100, from_s=600).tell(120, seconds=290)
    assert [word for _, word in park.said] == [NEAR, USED_UP]


def test_R19_silence_is_no_breach_and_ends_none():  # noqa: N802
    assert Metered(QUARTER_100, INSTANT_100).tell(95, seconds=100).hush(seconds=2000).said == []
    park = Metered(QUARTER_100, INSTANT_100).tell(120, seconds=450).hush(seconds=330)
    assert [word for _, word in park.said] == ["+instant north/a import", NEAR, USED_UP]


def test_R19_after_a_gap_registers_tell_what_was_used_meanwhile():  # noqa: N802
    park = Metered(QUARTER_100).tell(50, seconds=100).hush(seconds=300, factory_kw=250).tell(50, seconds=5)
    assert park.said == []  # 100 kW until now, 72 kW in the end
    park.tell(130)
    park.hush(seconds=300, factory_kw=160).tell(50, seconds=2)
    assert [word for _, word in park.said] == [USED_UP, NEAR]


@pytest.mark.parametrize(
    ("node", "seen"), [pytest.param("north", False, id="net of the loop"), pytest.param("north/b", True, id="its arm")]
)
def test_R19_a_loop_is_the_net_of_its_feeders(node, seen):  # noqa: N802
    park = Metered(limit(node, "quarter", import_kw=100.0)).tell(-200, 250, seconds=890)
    assert bool(park.said) is seen


def test_R19_a_limit_set_while_power_flows_counts_at_once_and_its_end_ends_the_breach():  # noqa: N802
    park = Metered().tell(200, seconds=30)
    park.nodes.take_limits([INSTANT_100])
    park.tell(200)
    park.nodes.take_limits([])
    park.tell(200)
    assert park.said == [(31, "+instant north/a import"), (32, "-instant north/a import")]


def test_R19_a_limit_in_kva_counts_reactive_power_too():  # noqa: N802
    cable = limit(FACTORY, "instant", import_kw=100.0, export_kw=100.0, apparent=True)
    assert Metered(cable).tell(80, seconds=30, reactive_kvar=[50.0, 0, 0, 0]).said == []
    park = Metered(cable).tell(80, seconds=30, reactive_kvar=[-75.0, 0, 0, 0])
    assert park.said == [(4, f"+instant {FACTORY} import")]
    assert park.figures[f"instant {FACTORY} import"] == {"power_kw": 80, "limit_kva": 100, "over_kva": 9.659}


@pytest.mark.parametrize(
    "nonsense",
    [
        pytest.param({"power_kw": [1e6, 0.0, 1e6, 0.0]}, id="a gigawatt"),
        pytest.param({"power_kw": [None] * 4}, id="no power"),
        pytest.param({"quality": [Quality.BAD.value] * 4}, id="called bad"),
        pytest.param({"power_kw": [900.0]}, id="unequal columns"),
        pytest.param({"measured_at_us": [2**53] * 4}, id="from the future"),
    ],
)
def test_R14_R19_a_reading_that_cannot_be_is_no_breach(nonsense):  # noqa: N802
    park = Metered(INSTANT_100, QUARTER_100).tell(50, seconds=100).tell(50, **nonsense).tell(50, seconds=20)
    assert park.said == []


def test_R19_a_meter_that_was_exchanged_breaches_nothing():  # noqa: N802
    park = Metered(QUARTER_100).tell(50, seconds=300)
    park.tell(50, seconds=700, energy_import_wh=[9_000_000] * len(METERS), energy_export_wh=[0] * len(METERS))
    assert park.said == []


def test_R14_what_cannot_be_told_counts_as_breach():  # noqa: N802
    assert not np.any(share(np.array([math.nan, math.nan]), np.array([100.0, 0.0])) <= 1)


def test_R19_a_node_of_which_one_meter_was_never_heard_is_not_judged():  # noqa: N802
    park = Metered(limit("north", "instant", import_kw=100.0), INSTANT_100, from_s=1)
    only = METERS.index("north/a")
    for _ in range(30):
        park.tell(200, power_kw=[200.0 if at == only else None for at in range(len(METERS))])
    assert [word for _, word in park.said] == ["+instant north/a import"]


def test_R19_after_its_start_it_says_once_of_all_that_is_limited_that_it_is_well():  # noqa: N802
    park = Metered(INSTANT_100, QUARTER_100, from_s=1)
    park.nodes.hear(park.frame(50, 20), now_us=park.now_us)
    said = {(finding.id, finding.phase) for finding in park.nodes.findings}
    assert said == {
        ("limit_breached/north/a/import/instant", ConditionPhase.GONE),
        ("limit_breached/north/a/import/quarter", ConditionPhase.GONE),
        ("limit_breached/north/a/export/quarter", ConditionPhase.GONE),
        ("limit_near/north/a/import/quarter", ConditionPhase.GONE),
        ("limit_near/north/a/export/quarter", ConditionPhase.GONE),
    }
    park.nodes.findings.clear()
    assert park.tell(50, 20, seconds=100).said == []


def test_the_office_is_the_other_arm():
    park = Metered(limit("north/b", "instant", import_kw=100.0)).tell(0, 200)
    assert park.said == [(1, "+instant north/b import")]
    assert OFFICE in METERS


def test_R14_spoiled_frames_stop_nothing_and_leave_nothing_behind():  # noqa: N802
    chance, park = random.Random(19), Metered(INSTANT_100, QUARTER_100)
    for number in range(3_000):
        park.at_s += 1
        park.count(50, 20)
        good = encode(park.frame(50, 20, reactive_kvar=[1.0, 1.0, 1.0, 1.0], quality=["good"] * 4))
        frame = decode_telemetry(mutate(good, number, chance))
        if isinstance(frame, TelemetryFrame):
            park.nodes.hear(frame, now_us=park.now_us)
        park.tell(50, 20)
    park.tell(50, 20, seconds=1000)
    assert not park.nodes.breaches.seen.any()
    assert np.isfinite(park.nodes.flows.energy_kwh).all()


def test_R19_a_cable_is_judged_by_what_hangs_on_it_when_the_open_point_moves():  # noqa: N802
    park = Metered(limit("north-1", "instant", import_kw=100.0)).tell(60, 60, seconds=20)
    assert park.said == []
    both_on_a = OpenPoint(certainty=Certainty.CONFIRMED, open_after=2, positions=(2,))
    park.nodes.lay_out(build_tree(placed(small_hub(), {"north": both_on_a})))
    park.tell(60, 60, seconds=20)
    assert park.said == [(24, "+instant north-1 import")]
    park.nodes.lay_out(build_tree(small_hub()))
    assert park.tell(60, 60).said[1:] == [(41, "-instant north-1 import")]
