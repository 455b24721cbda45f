"""What the breach rules say of whole days, against a judge that knows nothing of them (R19).

Of each seeded day some quarters are lived through, De Koumen's meters telling every 5 s: a few in `make check`, one of
30 days in `make test`, ten of each in `make soak` (LUSBALANS_SOAK).
"""

import os
from functools import cache

import numpy as np
import pytest

from connectors.watchdog.guarded import guard
from hub.tree import build_tree
from streams.guard_messages import ConditionKind, ConditionPhase
from tests.connectors.watchdog.seeded_days import BEGAN_US, LEAD_US, QUARTER_US, STEP_S, Day
from tests.faults.measured import row
from tests.streams.virtual_park import Park, de_koumen

SCALE = float(os.environ.get("LUSBALANS_SOAK", "0.1"))
CALM = 0.98
LOADED = (1.0, 3.5)
"""Times what was measured: limits of everything from a bakery to the park are passed."""
STEP_US = STEP_S * 1_000_000


@cache
def loaded_day(seed):
    return Day(seed, 2, LOADED).live()


SEEDS = pytest.mark.parametrize("seed", [101, 102])


@SEEDS
def test_R19_each_breach_of_a_quarter_is_foreseen_in_time_or_when_it_first_shows(seed):  # noqa: N802
    leads_s, late = leads_of(loaded_day(seed))
    print(f"{len(leads_s)} breaches, said {min(leads_s):.0f} to {max(leads_s):.0f} s before the quarter's end")
    assert len(leads_s) > 10
    assert late == []


@pytest.mark.soak
def test_R19_each_breach_of_many_seeded_days_is_foreseen_in_time_or_when_it_first_shows():  # noqa: N802
    seeds = range(200, 200 + max(2, round(40 * SCALE)))
    found = [leads_of(Day(seed, 2, LOADED).live()) for seed in seeds]
    leads_s = [lead_s for leads, _ in found for lead_s in leads]
    row(
        f"{len(leads_s)} quarters over their limit in {len(seeds)} loaded days with nobody balancing (virtual time)",
        "the watchdog's own calculation (R19)",
        said_before_the_quarters_end=f"median {np.median(leads_s):.0f} s, least {min(leads_s):.0f} s",
        in_time=f"{np.mean(np.array(leads_s) >= LEAD_US / 1e6):.0%} of them {LEAD_US / 1e6:g} s or more; all others in the"
        " first reading that shows them",
    )
    assert [each for _, late in found for each in late] == []


def leads_of(day):
    """How long before its quarter's end each breach was said, s, and those that could have been said earlier."""
    breached = [key for key, ratio in day.mean_ratio.items() if ratio > 1.0005]
    seen_us = day.seen(ConditionKind.LIMIT_NEAR)
    ends_us = {key: BEGAN_US + (key[2] + 1) * QUARTER_US for key in breached}
    leads_s = [(ends_us[key] - seen_us[key]) / 1e6 for key in breached]
    return leads_s, [key for key in breached if seen_us[key] > max(ends_us[key] - LEAD_US, day.foreseen_us[key])]


@SEEDS
def test_R19_a_used_up_quarter_is_said_in_the_reading_that_shows_it(seed):  # noqa: N802
    """A register shows whole Wh, so a reading later at most."""
    day = loaded_day(seed)
    seen_us = day.seen(ConditionKind.LIMIT_BREACHED)
    late = [(seen_us[key] - at_us) / STEP_US for key, at_us in day.used_up_us.items() if day.mean_ratio[key] > 1.0005]
    assert len(late) > 10
    assert 0 <= min(late) <= max(late) <= 1


@SEEDS
def test_R19_nothing_is_said_of_a_quarter_that_comes_to_98_percent(seed):  # noqa: N802
    day = loaded_day(seed)
    calm = {key for key, ratio in day.mean_ratio.items() if ratio <= CALM}
    assert len(calm) > 100
    assert not calm & (day.seen(ConditionKind.LIMIT_NEAR).keys() | day.seen(ConditionKind.LIMIT_BREACHED).keys())


@SEEDS
def test_R19_breaches_at_an_instant_are_those_that_the_tolerance_curve_knows(seed):  # noqa: N802
    day = loaded_day(seed)
    held = day.held()
    first_us = [
        (each, each.began_us + round(each.after_s * 1e6) // STEP_US * STEP_US + STEP_US) for each in day.crossings
    ]
    for crossing, at_us in first_us:
        of = (crossing.node, crossing.direction)
        assert any((node, side) == of and since_us <= at_us <= until_us for node, side, since_us, until_us in held)
    for node, side, since_us, _ in held:
        assert any((each.node, each.direction, at_us) == (node, side, since_us) for each, at_us in first_us)
    print(f"{len(day.crossings)} crossings, {len(held)} breaches")


@pytest.mark.soak
def test_R19_in_30_days_in_which_no_node_is_above_98_percent_nothing_is_said():  # noqa: N802
    calm, seed, said, quarters = 0, 0, [], max(1, round(10 * SCALE))
    while calm < 30 and seed < 120:
        day = Day(seed, quarters).live()
        seed += 1
        if max(*day.mean_ratio.values(), *day.most_ratio.values()) <= CALM:
            calm += 1
            said += [each for each in day.said if each.phase is ConditionPhase.SEEN]
    print(f"{calm} days of {quarters} quarters without a node above 98 % among {seed}: {len(said)} conditions")
    assert (calm, said) == (30, [])


@pytest.mark.soak
@pytest.mark.parametrize("scenario", ["winter-evening", "sunny-noon"])
def test_R19_of_a_balanced_park_at_its_limits_nothing_is_said(scenario):  # noqa: N802
    """From the start of a quarter, at reversion values, to its last seconds."""
    park, tree, said = Park(scenario, into_quarter_s=0), build_tree(de_koumen()), []
    nodes = {key: guard(de_koumen(), tree, key) for key in tree.meters}
    for guarded in nodes.values():
        guarded.take_limits(de_koumen().limits)
    for _ in range(890):
        told = len(park.log)
        for key, frame in park.turn().log[told:]:
            nodes[key].hear(frame, now_us=park.now_us)
            said += nodes[key].findings
            nodes[key].findings.clear()
    used = [np.nanmax(each.flows.energy_kwh[0] * 4 / each.allowed.quarter_kw[0]) for each in nodes.values()]
    print(f"{scenario}: the fullest node used {max(used):.1%} of its quarter")
    assert [each for each in said if each.phase is ConditionPhase.SEEN] == []
