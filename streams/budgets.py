"""Budgets: leased intervals of net power that the hub agent gives to the grid loops, and never over-commits.

Both ends of the lease are here, because they are safe only together. Pure; the caller brings the time (UTC, the
hosts' clocks agree within `CLOCK_SKEW_US`).

The loop's end obeys the newest budget it got while its lease lasts; after that what lies in the last budget *and* in
its fallback share for one more lease (where a share has shrunk below the budget: the budget's nearest end); then its
fallback share. The hub's end counts for each loop everything it may
be obeying: each budget that is not superseded by an acknowledged newer one, and the fallback share from one lease
before the loop may take it. Decreases are issued at once; an increase only from what is then left of the limit. A
budget always meets the loop's fallback share, so that the middle step exists; both ends see to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Final

from streams.messages import Budget, Epoch

CLOCK_SKEW_US: Final = 1_000_000
"""Largest difference between the clocks of two hosts; more would let a lease overlap the share that replaces it."""

MOST_KW: Final = 1e7
"""10 GW is no grid loop; what is larger was never measured, and its sums would not stay finite."""

MOST_LEASE_MS: Final = 3_600_000
"""A lease is some ticks long; one of hours is a word for ever, which nobody may be told."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Net power a loop may have; `min_kw <= max_kw`."""

    min_kw: float
    max_kw: float

    def hull(self, other: "Interval") -> "Interval":
        """Smallest interval that holds both."""
        return Interval(min(self.min_kw, other.min_kw), max(self.max_kw, other.max_kw))

    def meets(self, other: "Interval") -> bool:
        """Whether some power lies in both."""
        return self.min_kw <= other.max_kw and self.max_kw >= other.min_kw

    def clip(self, other: "Interval") -> "Interval":
        """The other interval with both ends moved into this one: where they meet, what lies in both."""
        return Interval(
            min(max(other.min_kw, self.min_kw), self.max_kw),
            min(max(other.max_kw, self.min_kw), self.max_kw),
        )


@dataclass(frozen=True, slots=True)
class Held:
    """The loop's end of the lease: the newest budget it ever got, None before the first."""

    fallback: Interval
    budget: Budget | None = None

    def receive(self, budget: Budget, *, now_us: int) -> "Held":
        """Take a budget, unless it is older than its lease, from another time, or not newer than the one held."""
        age_us = now_us - budget.issued_at_us
        return self.remember(budget) if -CLOCK_SKEW_US <= age_us <= budget.lease_ms * 1000 else self

    def remember(self, budget: Budget) -> "Held":
        """Take over a budget read back from the log, whatever its age: the hub still counts with it.

        One that means nothing, or does not meet the fallback share, is no budget. A new owner of the loop must know what the old one may have been told, or it would go to its fallback share
        while the hub has lent that to others.
        """
        if not (is_sound(budget) and Interval(budget.min_kw, budget.max_kw).meets(self.fallback)):
            return self
        if self.budget is not None and _rank(budget) <= _rank(self.budget):
            return self
        return Held(self.fallback, budget)

    def interval(self, *, now_us: int) -> Interval:
        """What the loop may do now."""
        if self.budget is None:
            return self.fallback
        granted = Interval(self.budget.min_kw, self.budget.max_kw)
        leases_passed = (now_us - self.budget.issued_at_us) / (self.budget.lease_ms * 1000)
        if leases_passed <= 1:
            return granted
        return granted.clip(self.fallback) if leases_passed <= 2 else self.fallback

    def with_fallback(self, fallback: Interval) -> "Held":
        """Fall back to another share from now on; what was granted stays."""
        return Held(fallback, self.budget)

    def on_lease(self, *, now_us: int) -> bool:
        """Whether the budget held is still valid."""
        return self.budget is not None and now_us - self.budget.issued_at_us <= self.budget.lease_ms * 1000


def is_sound(budget: Budget) -> bool:
    """Whether the figures of a budget that came from the log mean something; the two ends agree on it."""
    return 0 < budget.lease_ms <= MOST_LEASE_MS and -MOST_KW <= budget.min_kw <= budget.max_kw <= MOST_KW


def _rank(budget: Budget) -> tuple[Epoch, int]:
    return budget.epoch, budget.number


@dataclass(frozen=True, slots=True)
class Lent:
    """The hub's end of the lease for one loop: what it may be obeying."""

    fallback: Interval
    outstanding: tuple[Budget, ...] = ()
    """Oldest first; the first is the newest the loop acknowledged, if it acknowledged any."""
    acknowledged_us: int | None = None
    """When the newest acknowledged budget was issued."""

    def with_fallback(self, fallback: Interval) -> "Lent":
        """Count with another share from now on."""
        return Lent(fallback, self.outstanding, self.acknowledged_us)

    def acknowledge(self, *, epoch: Epoch, number: int) -> "Lent":
        """The loop obeys this budget: older ones are void."""
        found = [budget for budget in self.outstanding if _rank(budget) == (epoch, number)]
        if not found:
            return self
        newer = tuple(budget for budget in self.outstanding if _rank(budget) >= _rank(found[0]))
        return Lent(self.fallback, newer, found[0].issued_at_us)

    def issue(self, budget: Budget) -> "Lent":
        """Count a budget that is about to be sent, or that was found in the log."""
        return Lent(self.fallback, (*self.outstanding, budget), self.acknowledged_us)

    def exposure(self, *, now_us: int, lease_us: int) -> "Exposure":
        """What the loop may be obeying now, and before a lease given to another loop now has run out."""
        granted = [
            Interval(budget.min_kw, budget.max_kw)
            for budget in self.outstanding
            if now_us - budget.issued_at_us <= 2 * lease_us + CLOCK_SKEW_US
        ]
        heard_ago_us = None if self.acknowledged_us is None else now_us - self.acknowledged_us + CLOCK_SKEW_US
        silent = heard_ago_us is None or heard_ago_us >= lease_us
        on_fallback = heard_ago_us is None or heard_ago_us >= 2 * lease_us or not granted
        possible = [*granted, *([self.fallback] if on_fallback else [])]
        now = reduce(Interval.hull, possible)
        return Exposure(
            fallback=self.fallback,
            now=now,
            soon=now.hull(self.fallback) if silent else now,
            silent=silent,
            sure_min_kw=max(interval.min_kw for interval in possible),
            sure_max_kw=min(interval.max_kw for interval in possible),
        )

    def forget(self, *, now_us: int, lease_us: int) -> "Lent":
        """Drop what cannot matter any more, so that the list stays bounded while a loop is silent."""
        kept = tuple(b for b in self.outstanding if now_us - b.issued_at_us <= 2 * lease_us + CLOCK_SKEW_US)
        return Lent(self.fallback, kept, self.acknowledged_us)


@dataclass(frozen=True, slots=True)
class Exposure:
    """What one loop may do, as the hub must count it."""

    fallback: Interval
    now: Interval
    """What it may be obeying already."""
    soon: Interval
    """What it may come to obey before a lease given to another loop now has run out; holds `now`."""
    silent: bool
    """Nothing was acknowledged for a lease: it may be on its way to its fallback share, whatever we send."""
    sure_min_kw: float
    """Whatever it is obeying, its lower end is not above this; above `sure_max_kw` where its budgets differ much."""
    sure_max_kw: float
    """Whatever it is obeying, its upper end is not below this."""


def grant(
    wanted: Mapping[str, Interval],
    *,
    exposures: Mapping[str, Exposure],
    limit: Interval,
) -> dict[str, Interval]:
    """Turn wishes into budgets that fit the limit together with everything the loops may be obeying.

    Args:
        wanted: per loop, what clearing would give it.
        exposures: per loop, `Lent.exposure`.
        limit: net power that all loops together may have.

    Returns:
        per loop an interval. Once acknowledged, all of them fit the limit beside what silent loops may do; until
        then, what widens an exposure is scaled down to what is left of the limit. Where the exposures alone exceed
        it (a new hub agent does not know which of its predecessor's budgets hold), a loop gets only what narrows
        each budget it may be obeying, and nothing where no interval does. Nor does it get what lies apart from its
        fallback share, as it may when the share has just shrunk: the loop would refuse it, and the hub agent count
        with it, tick after tick, as long as the limit stands.
    """
    silent = [exposure.soon for exposure in exposures.values() if exposure.silent]
    hearing = {loop: wish for loop, wish in wanted.items() if not exposures[loop].silent}
    fitting = _fit(
        hearing,
        fallback={loop: exposures[loop].fallback for loop in hearing},
        room=Interval(
            limit.min_kw - sum(interval.min_kw for interval in silent),
            limit.max_kw - sum(interval.max_kw for interval in silent),
        ),
    )
    wishes = {loop: fitting.get(loop, exposures[loop].fallback.clip(wish)) for loop, wish in wanted.items()}
    up = _reach(
        {loop: wish.max_kw for loop, wish in wishes.items()},
        soon_kw={loop: exposure.soon.max_kw for loop, exposure in exposures.items()},
        sure_kw={loop: exposure.sure_max_kw for loop, exposure in exposures.items()},
        limit_kw=limit.max_kw,
    )
    # downward the same holds with the sign of every power reversed
    down = _reach(
        {loop: 0.0 - wish.min_kw for loop, wish in wishes.items()},
        soon_kw={loop: 0.0 - exposure.soon.min_kw for loop, exposure in exposures.items()},
        sure_kw={loop: 0.0 - exposure.sure_min_kw for loop, exposure in exposures.items()},
        limit_kw=0.0 - limit.min_kw,
    )
    reach = {loop: Interval(0.0 - down[loop], up[loop]) for loop in wishes if 0.0 - down[loop] <= up[loop]}
    granted = {loop: reach[loop].clip(wish) for loop, wish in wishes.items() if loop in reach}
    return {loop: interval for loop, interval in granted.items() if interval.meets(exposures[loop].fallback)}


def _reach(
    wishes_kw: Mapping[str, float],
    *,
    soon_kw: Mapping[str, float],
    sure_kw: Mapping[str, float],
    limit_kw: float,
) -> dict[str, float]:
    """How far up each loop may be let go."""
    room_kw = limit_kw - sum(soon_kw.values())
    if room_kw < 0:
        return dict(sure_kw)
    steps_kw = {loop: max(wish_kw - soon_kw[loop], 0.0) for loop, wish_kw in wishes_kw.items()}
    return {loop: soon_kw[loop] + step_kw for loop, step_kw in _pull(steps_kw, room_kw=room_kw).items()}


def _fit(wishes: Mapping[str, Interval], *, fallback: Mapping[str, Interval], room: Interval) -> dict[str, Interval]:
    """Pull the wishes' ends toward the fallback shares until their sums fit the room; budgets meet those shares."""
    high_kw = _pull(
        {loop: max(wish.max_kw - fallback[loop].min_kw, 0.0) for loop, wish in wishes.items()},
        room_kw=room.max_kw - sum(fallback[loop].min_kw for loop in wishes),
    )
    low_kw = _pull(
        {loop: max(fallback[loop].max_kw - wish.min_kw, 0.0) for loop, wish in wishes.items()},
        room_kw=sum(fallback[loop].max_kw for loop in wishes) - room.min_kw,
    )
    return {
        loop: Interval(
            min(fallback[loop].max_kw - low_kw[loop], fallback[loop].min_kw + high_kw[loop]),
            fallback[loop].min_kw + high_kw[loop],
        )
        for loop in wishes
    }


def _pull(steps_kw: Mapping[str, float], *, room_kw: float) -> dict[str, float]:
    """Scale non-negative steps down so that they fit the room."""
    total_kw = sum(steps_kw.values())
    scale = min(1.0, max(room_kw, 0.0) / total_kw) if total_kw > 0 else 0.0
    return {loop: step_kw * scale for loop, step_kw in steps_kw.items()}
