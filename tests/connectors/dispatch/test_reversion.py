import pytest

from connectors.dispatch.reversion import LONGEST_STAGE_S, asset_rules
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


def test_R12_no_two_batteries_return_at_once_and_all_before_pv(rules):  # noqa: N802 - rules are numbered so
    batteries, pv = of(rules, AssetKind.BATTERY), of(rules, AssetKind.PV)
    assert len({rule.return_s for rule in batteries}) == len(batteries)
    assert max(rule.return_s for rule in batteries) <= min(rule.return_s for rule in pv)
