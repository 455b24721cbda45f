"""What the benchmarks send and read is what it should be: frames that are folded whole, percentiles that are right."""

import time

import pytest

from streams.codec import decode_telemetry
from streams.grid_loop import GridLoop
from streams.messages import Epoch, TelemetryFrame
from tests.bench.big_hub import big_hub
from tests.bench.histogram import Histogram
from tests.bench.load import STEP, VARIANTS, Registers, filled, templates


@pytest.fixture(scope="module")
def hub():
    return big_hub(200, 2)


def test_every_variant_is_folded_without_a_bad_reading_and_read_as_of_now(hub):
    loop = GridLoop(hub, "lus-1")
    loop.begin(Epoch(1, 1, 1))
    registers = Registers(loop.n_points)
    for second, template in enumerate(templates(hub)["lus-1"]):
        before_us = time.time_ns() // 1000
        payload = filled(template, second=second + 1, at_us=time.time_ns() // 1000, registers=registers)
        frame = decode_telemetry(payload)
        assert isinstance(frame, TelemetryFrame)
        assert frame.sequence == second + 1
        assert loop.fold(frame, received_at_us=frame.sent_at_us) == ()
        assert loop.folded_until_us >= before_us


def test_what_the_feeders_show_is_the_sum_of_the_connections_and_differs_from_second_to_second(hub):
    sums_kw = []
    eans = {connection.ean for connection in hub.connections}
    for template in templates(hub)["lus-1"]:
        frame = decode_telemetry(filled(template, second=1, at_us=1, registers=Registers(len(template.power_kw))))
        power_kw = dict(zip(frame.ids, frame.power_kw, strict=True))
        sums_kw.append(power_kw["lus-1/a"] + power_kw["lus-1/b"])
        assert sums_kw[-1] == pytest.approx(sum(kw for point, kw in power_kw.items() if point in eans), abs=0.1)
    assert len({round(kw) for kw in sums_kw}) == VARIANTS


@pytest.mark.parametrize(
    ("quantile", "expected_ms"),
    [
        pytest.param(0.25, 5, id="within the first bucket"),
        pytest.param(0.50, 10, id="on a bound"),
        pytest.param(0.70, 15, id="half-way through a bucket"),
        pytest.param(1.00, 20, id="above all bounds: the highest one"),
    ],
)
def test_a_percentile_lies_evenly_within_its_bucket(quantile, expected_ms):
    counted = Histogram({0.01: 50.0, 0.02: 90.0, float("inf"): 100.0})
    assert counted.quantile_ms(quantile) == pytest.approx(expected_ms)


def test_nothing_that_is_sent_contradicts_itself_however_long(hub):
    loop = GridLoop(hub, "lus-1")
    variants, registers = templates(hub)["lus-1"], Registers(loop.n_points)
    for second in range(120):
        at_us = 1_700_000_000_000_000 + second * 1_000_000
        payload = filled(variants[second * STEP % VARIANTS], second=second, at_us=at_us, registers=registers)
        assert loop.fold(decode_telemetry(payload), received_at_us=at_us) == ()
        assert not loop._look(tick=second, now_us=at_us).known.contradicted.any()
