"""R15: a device's own static limits against the hub folder's. The tighter counts, what differs is said once.

Pure. Only read and compared, never written: whoever set a limit in a device had a reason that no setpoint knows.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from connectors.dispatch.driver import Shown
from connectors.dispatch.findings import Finding
from connectors.dispatch.reversion import AssetRule
from connectors.dispatch.rules import LoopLease
from streams.guard_messages import ConditionKind, ConditionPhase

SAME_KW: Final = 0.05
"""Devices round their ratings; less than this is no difference."""


def compare(state: LoopLease, shown: Mapping[str, Shown]) -> tuple[LoopLease, tuple[Finding, ...]]:
    """Cut what is told to what devices allow; answer for each that shows limits whether they differ from the folder's."""
    rules = dict(state.rules)
    findings = []
    for asset_id, device in shown.items():
        if (rule := state.rules.get(asset_id)) is None or (limits_kw := _own_kw(device)) is None:
            continue
        rules[asset_id] = _narrowed(rule, *limits_kw)
        findings.append(_finding(asset_id, rule, *limits_kw))
    targets = {
        asset_id: min(max(power_kw, rules[asset_id].min_kw), rules[asset_id].max_kw)
        for asset_id, power_kw in state.targets.items()
    }
    return replace(state, rules=rules, targets=targets), tuple(findings)


def _own_kw(device: Shown) -> tuple[float, float] | None:
    """The limits a device shows; None where it shows none, or what cannot be (R14)."""
    if device.min_kw is None or device.max_kw is None:
        return None
    return (device.min_kw, device.max_kw) if device.min_kw <= device.max_kw else None


def _narrowed(rule: AssetRule, min_kw: float, max_kw: float) -> AssetRule:
    """The rule within a device's own limits; where the two have nothing in common, the device's end that is nearest."""
    low_kw, high_kw = (min(max(end_kw, min_kw), max_kw) for end_kw in (rule.min_kw, rule.max_kw))
    return replace(rule, min_kw=low_kw, max_kw=high_kw)


def _finding(asset_id: str, rule: AssetRule, min_kw: float, max_kw: float) -> Finding:
    tighter = min_kw > rule.min_kw + SAME_KW or max_kw < rule.max_kw - SAME_KW
    looser = min_kw < rule.min_kw - SAME_KW or max_kw > rule.max_kw + SAME_KW
    if not tighter and not looser:
        return Finding(kind=ConditionKind.RANGE_DIFFERS, asset_id=asset_id, phase=ConditionPhase.GONE)
    counts = "the device's is tighter and counts" if tighter else "the folder's is tighter and counts"
    return Finding(
        kind=ConditionKind.RANGE_DIFFERS,
        asset_id=asset_id,
        phase=ConditionPhase.SEEN,
        text=f"its own limits are {min_kw:g} to {max_kw:g} kW, the hub folder says {rule.min_kw:g} to {rule.max_kw:g} kW; "
        f"{'at each end the tighter counts' if tighter and looser else counts}",
        figures={
            "own_min_kw": min_kw,
            "own_max_kw": max_kw,
            "folder_min_kw": rule.min_kw,
            "folder_max_kw": rule.max_kw,
        },
    )
