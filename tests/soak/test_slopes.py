import numpy as np
import pytest

from tests.soak.slopes import course

SECONDS = range(600)


def test_what_stands_still_is_flat():
    still = course(SECONDS, [7.0] * len(SECONDS))
    assert (still.mean, still.grown, still.low, still.high) == pytest.approx((7.0, 0.0, 0.0, 0.0), abs=1e-12)
    assert still.is_flat(1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_a_leak_shows_through_noise_ten_times_its_step(seed):
    noise = np.random.default_rng(seed).normal(0, 1.0, len(SECONDS))
    leak = course(SECONDS, [0.1 * at + noise[at] for at in SECONDS])
    assert leak.grown == pytest.approx(59.9, abs=1.0)
    assert not leak.is_flat(50.0)


@pytest.mark.parametrize("seed", range(5))
def test_noise_alone_is_no_growth(seed):
    noise = np.random.default_rng(seed).normal(0, 1.0, len(SECONDS))
    assert course(SECONDS, list(noise)).is_flat(0.5)


def test_growth_is_told_per_hour():
    assert course(SECONDS, [at / 60 for at in SECONDS]).text("MiB").startswith("5.0 MiB, +60.00 MiB/h (95 %: +60.00")
