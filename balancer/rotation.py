"""Before the clearing: whose roof is curtailed first, fairly over days.

A ledger holds the kWh each owner lost to curtailment. Owners are ranked by what they lost relative to what they could
have produced: who lost the smallest share gives way first. The ranks become orders of the last class of the export
guard, so the clearing itself stays without memory, and within one rank all share by weight as always.
"""

import numpy as np

from balancer.model import InputError
from balancer.topology import Floats, Ints


def lost_share(lost_kwh: Floats, potential_kwh: Floats) -> Floats:
    """[n_owners] Which part of its potential each owner lost, 0..1; 0 for one without potential."""
    if not (np.all(lost_kwh >= 0) and np.all(potential_kwh >= lost_kwh)):
        raise InputError("ledger", "0 <= lost_kwh <= potential_kwh must hold")
    return np.asarray(lost_kwh / np.where(potential_kwh > 0, potential_kwh, 1.0), dtype=np.float64)


def curtailment_orders(share: Floats, *, first_order: int, bands: int) -> Ints:
    """[n_owners] The order of each owner's PV: `first_order` for those who lost least, `bands` orders at most.

    Shares within one of `bands` equal steps between the smallest and the largest count as equal, so that a small
    difference does not put all of it on one roof.

    >>> curtailment_orders(np.array([0.00, 0.04, 0.10]), first_order=3, bands=2).tolist()
    [3, 3, 4]
    """
    low, high = float(share.min(initial=np.inf)), float(share.max(initial=-np.inf))
    if not high > low:
        return np.full(share.size, first_order, dtype=np.int32)
    step = np.minimum(np.floor((share - low) / (high - low) * bands), bands - 1)
    return (first_order + step).astype(np.int32)


def book(
    lost_kwh: Floats, potential_kwh: Floats, *, could_kw: Floats, was_kw: Floats, hours: float, keep: float
) -> tuple[Floats, Floats]:
    """The ledger after `hours` in which owners could have produced `could_kw` and produced `was_kw`, both >= 0.

    `keep` (0..1) is what is remembered of the past per call: old losses fade, so that nobody is repaid for ever.
    """
    lost = keep * lost_kwh + np.maximum(could_kw - was_kw, 0.0) * hours
    return lost, keep * potential_kwh + np.maximum(could_kw, was_kw) * hours
