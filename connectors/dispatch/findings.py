"""What dispatch has to say of single devices, as data; `connectors.dispatch.reports` says it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from streams.guard_messages import ConditionKind, ConditionPhase


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A condition of one device that began or ended."""

    kind: ConditionKind
    asset_id: str
    phase: ConditionPhase
    text: str = ""
    """One sentence for people."""
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The condition's, the same when seen and when gone."""
        return f"{self.kind}/{self.asset_id}"
