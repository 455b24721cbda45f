"""A mini-language for lease tests: frames by sequence, cycles as rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from connectors.dispatch import rules
from connectors.dispatch.reversion import AssetRule
from connectors.dispatch.rules import Accepted, LoopLease, Mark, Refused, Renewed
from streams.messages import Bound, Epoch, Reason, SetpointFrame

BEGAN_US = 1_800_000_000_000_000
"""Wall clock at monotonic 0 s."""

PV = AssetRule(min_kw=-100, max_kw=0, reversion_kw=-10, lag_s=0, return_s=6, lease_s=15)
CHARGER = AssetRule(min_kw=0, max_kw=22, reversion_kw=0, lag_s=4, return_s=4, lease_s=19)
BATTERY = AssetRule(min_kw=-50, max_kw=50, reversion_kw=0, lag_s=6, return_s=2, lease_s=21)
Asked = SetpointFrame | Literal["revert"] | None
"""What comes in one cycle."""

RULES = {"pv": PV, "charger": CHARGER, "battery": BATTERY}


def wall_us(at_s: float) -> int:
    return BEGAN_US + round(at_s * 1e6)


def full(sequence: int, at_s: float, *, epoch: int = 1, valid_s: float = 10.0, **power_kw: float) -> SetpointFrame:
    """A full frame issued at `at_s`; `pv=-40, battery=20` are its setpoints."""
    rows = len(power_kw)
    return SetpointFrame(
        grid_loop="ring",
        epoch=Epoch(1, epoch, 0),
        sequence=sequence,
        tick=int(at_s),
        issued_at_us=wall_us(at_s),
        folded_until_us=wall_us(at_s),
        valid_for_ms=round(valid_s * 1000),
        full=True,
        ids=list(power_kw),
        power_kw=list(power_kw.values()),
        bound=[Bound.EXACT] * rows,
        reason=[Reason.TARGET] * rows,
        binding=[""] * rows,
    )


def renewal(sequence: int, at_s: float, *, of: int, epoch: int = 1, valid_s: float = 10.0) -> SetpointFrame:
    return SetpointFrame(
        grid_loop="ring",
        epoch=Epoch(1, epoch, 0),
        sequence=sequence,
        tick=int(at_s),
        issued_at_us=wall_us(at_s),
        folded_until_us=wall_us(at_s),
        valid_for_ms=round(valid_s * 1000),
        full=False,
        renews=of,
    )


def fresh(*, in_failsafe: bool = False, epoch: int = 0, sequence: int = -1) -> LoopLease:
    return rules.start(RULES, Mark(Epoch(1, epoch, 0), sequence), in_failsafe=in_failsafe)


def word_of(outcome: Accepted | Renewed | Refused) -> str:
    """`accepted`, `renewed`, or why it was refused."""
    match outcome:
        case Accepted():
            return "accepted"
        case Renewed():
            return "renewed"
        case Refused(why):
            return why.value


@dataclass(frozen=True, slots=True)
class Seen:
    """What one cycle did."""

    outcome: str
    reverted: tuple[str, ...]
    told: dict[str, float]


def cycle(state: LoopLease, at_s: float, frame: Asked = None) -> tuple[LoopLease, Seen]:
    """One turn of the lease loop at `at_s`: receive, expire, tell."""
    word, stopped = "", ()
    match frame:
        case "revert":
            state, stopped = rules.revert(state, at_s)
            word = "reverted"
        case SetpointFrame():
            state, outcome = rules.receive(state, frame, now_s=at_s, now_us=wall_us(at_s))
            word = word_of(outcome)
    state, reverted = rules.expire(state, at_s)
    state, writes = rules.due(state, at_s)
    return state, Seen(word, stopped + reverted, {write.asset_id: write.power_kw for write in writes})


Row = tuple[float, Asked, str, tuple[str, ...], dict[str, float]]


def play(state: LoopLease, rows: Sequence[Row]) -> None:
    """Each row: when, which frame, then what is expected: outcome, assets reverted, devices told."""
    for at_s, frame, outcome, reverted, told in rows:
        state, seen = cycle(state, at_s, frame)
        assert (at_s, seen) == (at_s, Seen(outcome, reverted, told))
