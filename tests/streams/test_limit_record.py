import numpy as np
import pytest

from hub.model import GROUP, PARK, STATION, Judged, LimitLayer, NodeLimit
from hub.quarters import QUARTER_US
from hub.tree import build_tree
from streams.limit_record import LimitRecord

START_US = 2_000_000 * QUARTER_US
SECOND_US = 1_000_000


@pytest.fixture(scope="module")
def tree(de_koumen):
    return build_tree(de_koumen)


def park_limit(judged, *, import_kw=None, export_kw=None):
    return NodeLimit(
        node=PARK, layer=LimitLayer.DSO_CAP, judged=judged, import_kw=import_kw, export_kw=export_kw, source="test"
    )


def record_of(tree, limit):
    return LimitRecord(tree, [PARK, GROUP], [limit])


def take_park(record, *, at_us, power_kw, register_wh=(0, 0)):
    record.take(at_us, np.array([power_kw, 0.0]), np.array([register_wh, (0, 0)], np.int64))


def after(record, powers_kw, *, every_s=1):
    """Take one power of the park after another, with its registers, and tell the figures of the only limit."""
    wh = np.zeros(2)
    for second, power_kw in enumerate(powers_kw):
        wh += np.nan_to_num([max(power_kw, 0), max(-power_kw, 0)]) * every_s / 3.6
        take_park(record, at_us=START_US + second * every_s * SECOND_US, power_kw=power_kw, register_wh=wh.round())
    return record.figures()[0]


@pytest.mark.parametrize(
    ("powers_kw", "over_s", "breached"),
    [
        pytest.param([100] * 20, 0, False, id="at the limit"),
        pytest.param([102] * 20, 0, False, id="within the tolerance"),
        pytest.param([103] * 11 + [100], 10, False, id="over for 10 s"),
        pytest.param([103] * 12 + [100], 11, True, id="over for longer"),
        pytest.param([103] * 8 + [99] + [103] * 8, 7, False, id="twice, each short"),
        pytest.param([103] * 6 + [np.nan] * 3 + [103] * 6, 14, True, id="a missing reading does not end a stretch"),
        pytest.param([np.nan] * 20, 0, False, id="nothing seen"),
        pytest.param([-500] * 20, 0, False, id="the other direction"),
    ],
)
def test_an_instantaneous_limit_is_breached_above_1_02_for_over_10_s(tree, powers_kw, over_s, breached):
    figures = after(record_of(tree, park_limit(Judged.INSTANT, import_kw=100.0)), powers_kw)
    assert (figures.over_s, figures.breached) == (over_s, breached)


def test_the_highest_reading_is_named_with_its_instant_and_ratio(tree):
    figures = after(record_of(tree, park_limit(Judged.INSTANT, export_kw=200.0)), [-10, -150, -50])
    assert (figures.instant_kw, figures.instant_ratio) == (150.0, 0.75)
    assert figures.instant_at_us == START_US + SECOND_US


def test_any_export_for_over_10_s_breaches_a_limit_of_zero_and_has_no_ratio(tree):
    figures = after(record_of(tree, park_limit(Judged.INSTANT, export_kw=0.0)), [-1] * 12)
    assert figures.breached
    assert figures.instant_ratio is None


MINUTE, HALF, WHOLE = 60, 450, 901


@pytest.mark.parametrize(
    ("powers_kw", "mean_kw", "breached"),
    [
        pytest.param([200] * 300 + [50] * (WHOLE - 300), 99.83, 0, id="front half over, quarter under"),
        pytest.param([200] * HALF + [50] * (WHOLE - HALF), 125, 1, id="quarter over"),
        pytest.param([100] * WHOLE, 100, 0, id="exactly at the limit"),
        pytest.param([150] * (2 * MINUTE), 150, 1, id="two minutes seen, over"),
        pytest.param([101] * (2 * MINUTE), 101, 0, id="two minutes seen, to be made good yet"),
        pytest.param([99] * (2 * MINUTE), 99, 0, id="two minutes seen, under"),
        pytest.param([500] * (MINUTE // 2), None, 0, id="half a minute says nothing"),
    ],
)
def test_a_quarter_limit_is_judged_on_the_mean_of_what_was_seen(tree, powers_kw, mean_kw, breached):
    figures = after(record_of(tree, park_limit(Judged.QUARTER, import_kw=100.0)), powers_kw)
    assert figures.quarter_kw == (None if mean_kw is None else pytest.approx(mean_kw, abs=0.3))
    assert (figures.quarters_breached, figures.breached) == (breached, breached > 0)


def test_each_breached_quarter_counts_once(tree):
    figures = after(record_of(tree, park_limit(Judged.QUARTER, import_kw=100.0)), [150] * 181, every_s=15)
    assert (figures.quarters_seen, figures.quarters_breached) == (3, 3)
    assert figures.quarter_start_us in {START_US, START_US + QUARTER_US, START_US + 2 * QUARTER_US}


def test_what_was_read_before_the_run_counts_in_the_quarter_in_which_it_begins(tree):
    record = record_of(tree, park_limit(Judged.QUARTER, import_kw=100.0))
    for second in range(0, 601, 10):
        record.remember(START_US + second * SECOND_US, np.array([0.0, 0.0]), np.zeros((2, 2), np.int64))
    for second in range(601, 702):
        take_park(record, at_us=START_US + second * SECOND_US, power_kw=360.0, register_wh=(100 * (second - 601), 0))
    figures = record.figures()[0]
    assert figures.quarter_kw == pytest.approx(10_000 * 3.6 / 701, abs=0.1)
    assert not figures.breached


def test_a_quarter_that_ended_before_the_run_is_no_part_of_it(tree):
    record = record_of(tree, park_limit(Judged.QUARTER, import_kw=100.0))
    for second in range(890):
        record.remember(START_US + second * SECOND_US, np.array([900.0, 0.0]), np.full((2, 2), 250 * second))
    take_park(record, at_us=START_US + 905 * SECOND_US, power_kw=0.0, register_wh=(250 * 890, 250 * 890))
    assert (record.figures()[0].quarters_seen, record.figures()[0].instant_kw) == (0, 0.0)


def test_over_a_silence_a_sum_goes_by_its_meters_registers(tree):
    meters = tree.meters["lus-1"]
    limit = NodeLimit(
        node="lus-1", layer=LimitLayer.DSO_CAP, judged=Judged.QUARTER, import_kw=50.0, export_kw=None, source=""
    )
    record = LimitRecord(tree, meters, [limit])
    arm = np.array([meter == "lus-1/a" for meter in meters])
    for second, import_wh in ((0, 0), (1, 10), (120, 500), (121, 510)):
        register_wh = np.zeros((len(meters), 2), np.int64)
        register_wh[arm, 0] = import_wh
        record.take(START_US + second * SECOND_US, np.where(arm, 36.0, 0.0), register_wh)
    assert record.figures()[0].quarter_kw == pytest.approx(510 * 3.6 / 121, abs=0.1)


def test_telling_the_figures_changes_nothing(tree):
    told, untold = (record_of(tree, park_limit(Judged.QUARTER, import_kw=100.0)) for _ in range(2))
    for second in range(200):
        take_park(told, at_us=START_US + second * SECOND_US, power_kw=90.0, register_wh=(25 * second, 0))
        take_park(untold, at_us=START_US + second * SECOND_US, power_kw=90.0, register_wh=(25 * second, 0))
        told.figures()
    assert told.figures() == untold.figures()


def test_a_node_without_a_meter_is_the_sum_of_the_meters_below_it(de_koumen, tree):
    meters = tree.meters["lus-1"]
    limit = NodeLimit(
        node="lus-1-s1", layer=LimitLayer.PROTECTION, judged=Judged.INSTANT, import_kw=50.0, export_kw=None, source=""
    )
    record = LimitRecord(tree, meters, [limit])
    below = set(tree.connections_below("lus-1-s1"))
    power_kw = np.array([2.0 if meter in below else 999.0 for meter in meters])
    record.take(START_US, power_kw, np.full((len(meters), 2), -1))
    assert record.figures()[0].instant_kw == 2.0 * len(below)


def test_a_silent_meter_leaves_the_sum_unknown(tree):
    meters = tree.meters["lus-1"]
    limit = NodeLimit(
        node="lus-1-s1", layer=LimitLayer.PROTECTION, judged=Judged.INSTANT, import_kw=50.0, export_kw=None, source=""
    )
    record = LimitRecord(tree, meters, [limit])
    power_kw = np.where([meter == tree.connections_below("lus-1-s1")[0] for meter in meters], np.nan, 2.0)
    record.take(START_US, power_kw, np.full((len(meters), 2), -1))
    assert record.figures()[0].instant_kw is None


def test_every_limit_of_the_hub_has_a_record(de_koumen, tree):
    points = {STATION: [PARK, GROUP]} | {g.id: tree.meters[g.id] for g in de_koumen.grid_loops}
    for name, meters in points.items():
        limits = [limit for limit in de_koumen.limits if (tree.by_id[limit.node].grid_loop or STATION) == name]
        sides = sum((limit.import_kw is not None) + (limit.export_kw is not None) for limit in limits)
        assert len(LimitRecord(tree, meters, limits).figures()) == sides > 0
