import numpy as np
import pytest

from balancer.apparent_power import active_limit_kw, apparent_limit_kva
from balancer.model import InputError


@pytest.mark.parametrize(
    ("apparent_kva", "reactive_kvar", "expected_kw"),
    [(100.0, 0.0, 100.0), (100.0, 60.0, 80.0), (100.0, -60.0, 80.0), (100.0, 120.0, 0.0), (np.inf, 5.0, np.inf)],
)
def test_reactive_power_takes_its_part_of_the_circle(apparent_kva, reactive_kvar, expected_kw):
    assert float(active_limit_kw(apparent_kva, reactive_kvar)) == pytest.approx(expected_kw)


@pytest.mark.parametrize(("apparent_kva", "reactive_kvar"), [(-1.0, 0.0), (np.nan, 0.0), (1.0, np.nan)])
def test_numbers_that_mean_nothing_are_refused(apparent_kva, reactive_kvar):
    with pytest.raises(InputError, match="apparent power"):
        active_limit_kw(apparent_kva, reactive_kvar)


def test_three_times_25_a_is_about_17_kva():
    assert apparent_limit_kva(25.0) == pytest.approx(17.3, abs=0.05)
    with pytest.raises(InputError):
        apparent_limit_kva(-1.0)
