"""Readings of a period come back from the tables point by point, in order, without those of bad quality."""

import numpy as np
import pytest

from connectors.store.offsets import begin_offset
from connectors.store.recorded import read_recorded
from connectors.store.writer import Writer
from tests.connectors.store.messages import KEY, SECOND_US, START_US, batch_of, frame, partition

pytestmark = pytest.mark.services


def test_a_point_comes_back_as_it_was_measured_in_order_of_time(store):
    log, writer = partition(), Writer()
    begin_offset(store, log, 0)
    seconds = [3, 1, 2, 200]
    frames = [frame(at_s, {"a": at_s, "b": None}, quality=["good", "bad"]) for at_s in seconds]
    writer.store(store, writer.prepare(store, batch_of(writer.registry, log, frames)))
    hub_id = KEY.decode().partition("/")[0]
    until_us = START_US + 100 * SECOND_US
    found = dict(read_recorded(store, hub_id, ["a", "b", "c"], from_us=START_US, until_us=until_us))
    np.testing.assert_array_equal(found["a"].at_us, [START_US + at_s * SECOND_US for at_s in (1, 2, 3)])
    assert found["a"].power_kw.tolist() == [1.5, 1.5, 1.5]
    assert np.isnan(found["a"].min_kw).all()
    assert (len(found["b"].at_us), len(found["c"].at_us)) == (0, 0)
    elsewhere = dict(read_recorded(store, "another", ["a"], from_us=START_US, until_us=until_us))
    assert len(elsewhere["a"].at_us) == 0
