import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.latencies import Latencies, Latency


@given(latencies_ms=st.lists(st.integers(0, 60_000), min_size=1, max_size=300))
def test_percentiles_are_those_of_the_sorted_list_by_nearest_rank(latencies_ms):
    latencies = Latencies()
    for latency_ms in latencies_ms:
        latencies.take(latency_ms * 1000)
    ranked = sorted(latencies_ms)
    assert latencies.figures() == Latency(
        count=len(ranked),
        p50_ms=ranked[math.ceil(0.5 * len(ranked)) - 1],
        p99_ms=ranked[math.ceil(0.99 * len(ranked)) - 1],
        worst_ms=ranked[-1],
    )


@pytest.mark.parametrize(
    ("latency_us", "counted_ms"),
    [
        pytest.param(-5_000, 0, id="clocks that differ"),
        pytest.param(3_600_000_000, 60_000, id="an hour counts as the longest"),
    ],
)
def test_a_latency_beyond_the_scale_counts_at_its_end(latency_us, counted_ms):
    latencies = Latencies()
    latencies.take(latency_us)
    assert latencies.figures().worst_ms == counted_ms


def test_nothing_measured_has_no_percentiles():
    assert Latencies().figures() == Latency(count=0, p50_ms=None, p99_ms=None, worst_ms=None)
