import numpy as np

from connectors.simulator.weather import light_ratio, make_sky, roof_delays_s


def test_clouds_keep_the_measured_mean_and_are_never_negative():
    sky = make_sky(1)
    light = np.array(
        [light_ratio(sky, at_s=float(at), delay_s=np.zeros(1), depth_ratio=0.75)[0] for at in range(0, 180_000, 5)]
    )
    assert abs(light.mean() - 1) < 0.02
    assert light.min() > 0


def test_a_cloud_edge_crosses_the_roofs_one_after_another():
    sky, delay_s = make_sky(1), np.array([0.0, 30.0])
    first, later = (light_ratio(sky, at_s=at_s, delay_s=delay_s, depth_ratio=0.75) for at_s in (1000.0, 1030.0))
    assert later[1] == first[0]


def test_an_edge_takes_seconds_not_one():
    sky = make_sky(1)
    light = np.array(
        [light_ratio(sky, at_s=float(at), delay_s=np.zeros(1), depth_ratio=0.75)[0] for at in range(3_600)]
    )
    steps = np.abs(np.diff(light))
    assert 0.05 < steps.max() < 0.2


def test_roofs_lie_within_the_time_a_cloud_needs_across_the_park():
    delays_s = roof_delays_s(20, 1)
    assert 75 < np.ptp(delays_s) <= 150
