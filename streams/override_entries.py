"""From entries on the overrides' topic to overrides that count; and what is known of one park's overrides.

Folding is the same for the worker that obeys them, for dispatch that guards them and for whoever states them. An entry
that cannot be used is refused and changes nothing. Pure but for its own state; the caller brings messages and time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hub.model import Asset, Hub
from hub.overrides import Kept, Override, OverrideKind, check_override, kept_by
from streams.codec import Rejected, decode_override
from streams.messages import DeadLetterReason
from streams.override_messages import OverrideEntry, OverrideTerms
from streams.signature import Keyring
from streams.told_entries import ToldEntries
from streams.topics import OVERRIDE, key_of
from streams.two_people import is_gone, problem_of_change, problem_of_tombstone


def override_key(hub_id: str, asset_id: str) -> bytes:
    """Message key of one asset's override.

    >>> override_key("de-koumen", "charger-07")
    b'de-koumen/charger-07'
    """
    return key_of(hub_id, asset_id)


@dataclass(slots=True)
class KnownOverrides:
    """The overrides of one park as the topic tells them."""

    hub: Hub
    assets: Mapping[str, Asset] = field(init=False)
    entries: dict[bytes, OverrideEntry] = field(default_factory=dict)
    """By message key, what waits for a second person included."""
    in_force: dict[str, Override] = field(default_factory=dict)
    """By asset, those whose time is over included."""

    def __post_init__(self) -> None:
        self.assets = {asset.id: asset for asset in self.hub.assets}

    def fold(self, key: bytes, payload: bytes | None) -> Rejected | None:
        """Take one message of the topic, None as a tombstone; tells why it was refused."""
        if payload is None:
            return self._clear_away(key)
        entry = decode_override(payload)
        if isinstance(entry, Rejected):
            return entry
        if key != override_key(self.hub.id, entry.asset):
            return _not_an_override(f"{entry.asset} came under another key")
        if problem := problem_of_change(self.entries.get(key), entry):
            return _not_an_override(problem)
        override = None if entry.terms is None else self.read(entry.asset, entry.terms)
        if isinstance(override, Rejected):
            return override
        self.entries[key] = entry
        if override is None:
            self.in_force.pop(entry.asset, None)
        else:
            self.in_force[entry.asset] = override
        return None

    def _clear_away(self, key: bytes) -> Rejected | None:
        if problem := problem_of_tombstone(self.entries.get(key)):
            return _not_an_override(problem)
        self.entries.pop(key, None)
        return None

    def find(self, asset_id: str) -> OverrideEntry | None:
        """Return the entry of an asset for which something is in force or waits."""
        entry = self.entries.get(override_key(self.hub.id, asset_id))
        return None if entry is None or is_gone(entry) else entry

    def read(self, asset_id: str, terms: OverrideTerms) -> Override | Rejected:
        """Return the override that some terms state for an asset of this park."""
        if terms.kind not in set(OverrideKind):
            return _not_an_override(f"{terms.kind!r} is no kind of override: use {', '.join(OverrideKind)}")
        override = Override(
            asset=asset_id,
            kind=OverrideKind(terms.kind),
            power_kw=terms.power_kw,
            until_us=terms.until_us,
            who=terms.who,
            why=terms.why,
        )
        problems = check_override(override, self.hub)
        return _not_an_override("; ".join(problems)) if problems else override


class ParkOverrides(ToldEntries[KnownOverrides, Mapping[str, Kept]]):
    """A park's overrides, told as how those that hold keep their assets, by id."""

    def __init__(self, hub: Hub, keyring: Keyring | None = None) -> None:
        super().__init__(OVERRIDE, KnownOverrides(hub), keyring or Keyring())

    def _at(self, now_us: int) -> tuple[Mapping[str, Kept], float]:
        holding = [each for each in self.known.in_force.values() if each.until_us is None or now_us < each.until_us]
        until_us = min((each.until_us for each in holding if each.until_us is not None), default=float("inf"))
        return {each.asset: kept_by(self.known.assets[each.asset], each, at_us=now_us) for each in holding}, until_us


def _not_an_override(detail: str) -> Rejected:
    return Rejected(DeadLetterReason.NOT_AN_OVERRIDE, detail)
