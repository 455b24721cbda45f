from dataclasses import replace
from itertools import pairwise

import pytest

from connectors.dispatch.reversion import LONGEST_RETURN_S, LONGEST_STAGE_S, asset_rules
from hub.model import AssetKind


@pytest.fixture(scope="module")
def rules(de_koumen):
    by_id = {asset.id: asset.kind for asset in de_koumen.assets}
    return [(by_id[asset_id], rule) for loop in asset_rules(de_koumen).values() for asset_id, rule in loop.items()]


def of(rules, kind):
    return [rule for rule_kind, rule in rules if rule_kind is kind]


def test_R3_pv_falls_back_at_once_consumption_next_storage_last(rules):  # noqa: N802 - rules are numbered so
    pv, chargers, batteries = (of(rules, kind) for kind in (AssetKind.PV, AssetKind.CHARGER, AssetKind.BATTERY))
    assert {rule.lag_s for rule in pv} == {0}
    assert max(rule.lag_s for rule in pv) < min(rule.lag_s for rule in chargers)
    assert max(rule.lag_s for rule in chargers) < min(rule.lag_s for rule in batteries)
    assert all(rule.lag_s <= 2 * LONGEST_STAGE_S for rule in batteries)


def test_R3_a_device_left_alone_keeps_the_same_order(rules):  # noqa: N802 - rules are numbered so
    assert {round(rule.lease_s - rule.lag_s, 9) for _, rule in rules} == {15}


def test_R12_storage_returns_first_and_within_seconds(rules):  # noqa: N802 - rules are numbered so
    batteries = of(rules, AssetKind.BATTERY)
    assert len({rule.return_s for rule in batteries}) == len(batteries)
    assert max(rule.return_s for rule in batteries) <= min(rule.return_s for rule in of(rules, AssetKind.PV))


@pytest.mark.parametrize(
    ("kind", "rate_kw_per_s"), [(AssetKind.PV, 100 / 3), (AssetKind.CHARGER, 80 / 3)], ids=["export", "import"]
)
def test_R12_R22_no_more_returns_in_a_reaction_time_than_the_margin_covers(rules, kind, rate_kw_per_s):  # noqa: N802
    turns = sorted(of(rules, kind), key=lambda rule: rule.return_s)
    for earlier, later in pairwise(turns):
        way_kw = max(earlier.max_kw - earlier.reversion_kw, earlier.reversion_kw - earlier.min_kw)
        assert later.return_s - earlier.return_s >= way_kw / rate_kw_per_s - 1e-9
    assert turns[-1].return_s < LONGEST_RETURN_S


def test_R12_without_a_margin_everything_is_back_after_five_minutes(de_koumen):  # noqa: N802 - rules are numbered so
    bare = replace(de_koumen, margin=replace(de_koumen.margin, import_kw=0, export_kw=0))
    returns_s = [rule.return_s for loop in asset_rules(bare).values() for rule in loop.values()]
    assert 200 < max(returns_s) <= LONGEST_RETURN_S + 4
