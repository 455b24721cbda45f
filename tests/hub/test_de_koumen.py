"""The park that the demo and the tests run on adds up to what is known of it."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from hub.model import PARK, AssetKind, Judged, NodeKind
from hub.profiles import read_profiles

DE_KOUMEN = Path(__file__).parents[2] / "infra" / "hubs" / "de-koumen"


@pytest.fixture(scope="module")
def park_load_kw(de_koumen):
    profiles = read_profiles(DE_KOUMEN, de_koumen)
    return np.sum([profiles.load_kw(connection) for connection in de_koumen.connections], axis=0)


@pytest.fixture(scope="module")
def park_pv_kw(de_koumen):
    profiles = read_profiles(DE_KOUMEN, de_koumen)
    roofs = [asset for asset in de_koumen.assets if asset.kind is AssetKind.PV]
    shapes = [profiles.pv_kw_per_kwp(name) for name in profiles.pv_names]
    return np.sum([roof.rated_kw * shapes[at % len(shapes)] for at, roof in enumerate(roofs)], axis=0)


def test_twenty_roofs_carry_8890_panels_of_300_wp(de_koumen):
    panels = [asset.rated_kw / 0.3 for asset in de_koumen.assets if asset.kind is AssetKind.PV]
    assert len(panels) == 20
    assert panels == pytest.approx([round(count) for count in panels])
    assert sum(panels) == pytest.approx(8890)


def test_a_hundred_connections_hang_on_five_loops_of_six_to_eight_sections(de_koumen):
    assert Counter(connection.grid_loop for connection in de_koumen.connections) == {
        f"lus-{number}": 20 for number in range(1, 6)
    }
    assert all(6 <= len(grid_loop.sections) <= 8 for grid_loop in de_koumen.grid_loops)
    assert all(0 < grid_loop.open_after < len(grid_loop.sections) for grid_loop in de_koumen.grid_loops)


def test_the_park_takes_3400_kw_and_lets_nothing_out(de_koumen):
    quarter = [limit for limit in de_koumen.limits if limit.node == PARK and limit.judged is Judged.QUARTER]
    assert [(limit.import_kw, limit.export_kw) for limit in quarter] == [(3400.0, 0.0)]


def test_fallback_shares_keep_the_margin_free_in_both_directions(de_koumen):
    total_kw = sum(grid_loop.fallback_max_kw for grid_loop in de_koumen.grid_loops)
    assert total_kw + de_koumen.margin.import_kw <= 3400
    assert sum(grid_loop.fallback_min_kw for grid_loop in de_koumen.grid_loops) >= de_koumen.margin.export_kw


def test_the_charging_plaza_has_to_choose(de_koumen, de_koumen_tree):
    (plaza,) = (connection for connection in de_koumen.connections if connection.sector == "charging_plaza")
    chargers = de_koumen_tree.assets[plaza.ean]
    assert len(chargers) == 24
    assert 0.05 <= plaza.capacity_kva / sum(charger.rated_kw for charger in chargers) <= 0.15


def test_every_order_is_the_one_operators_expect(de_koumen):
    orders = {(asset.kind, asset.order_down, asset.order_up) for asset in de_koumen.assets}
    assert sorted(orders, key=lambda order: order[2]) == [
        (AssetKind.BATTERY, 1, 0),
        (AssetKind.CHARGER, 0, 1),
        (AssetKind.FLEXIBLE_LOAD, 2, 2),
        (AssetKind.PV, 3, 3),
    ]


def test_the_load_alone_never_exceeds_a_contract(de_koumen):
    profiles = read_profiles(DE_KOUMEN, de_koumen)
    for connection in de_koumen.connections:
        assert np.max(profiles.load_kw(connection)) <= connection.contract_import_kw


def test_charging_on_the_busiest_quarters_meets_the_import_limit(park_load_kw, park_pv_kw):
    peak_kw = np.max(park_load_kw - park_pv_kw)
    assert 3200 < peak_kw < 3400  # and 1,574 kW of chargers come on top


def test_the_sunniest_quiet_hours_would_export_hundreds_of_kilowatts(park_load_kw, park_pv_kw):
    surplus_kw = np.maximum(park_pv_kw - park_load_kw, 0.0)
    assert np.max(surplus_kw) > 700
    assert np.sum(surplus_kw > 0) / 4 > 100  # hours in the year


def test_every_figure_that_nobody_published_says_that_it_is_invented(de_koumen, de_koumen_tree):
    stated = [limit for limit in de_koumen.limits if not limit.source.startswith("connections.csv")]
    public = [limit for limit in stated if "invented" not in limit.source]
    assert [(limit.node, limit.judged) for limit in public] == [(PARK, Judged.QUARTER)]
    assert "invented" in de_koumen.margin.source
    assert Counter(node.kind for node in de_koumen_tree.nodes)[NodeKind.CONNECTION] == 100
