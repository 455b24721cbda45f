import pytest

from balancer.explanation import Language, explain, sentence
from balancer.kernel import State, solve
from balancer.model import Asset, Layer, Limit, Node
from balancer.topology import compile_topology

NODES = [Node("park", None), Node("grid loop B", "park")]
ASSETS = [
    Asset("plaza", "grid loop B", 0, 900, 900, order_down=0),
    Asset("bat-1", "grid loop B", -100, 100, 0, order_down=2),
    Asset("pv", "park", -80, 0, -80, order_up=3),
]


def explained(limits, asset):
    topology = compile_topology(NODES, limits, ASSETS)
    return explain(solve(topology, State.of(topology)), topology.asset_ids.index(asset))


@pytest.mark.parametrize(
    ("limits", "asset", "english", "dutch"),
    [
        pytest.param(
            [Limit("grid loop B", 800, uncontrolled_kw=835)],
            "bat-1",
            "held at -35 kW: grid loop B import limit 800 kW (contract), class 2 gives way first",
            "gehouden op -35 kW: importlimiet 800 kW van grid loop B (contract), klasse 2 wijkt het eerst",
            id="one limit",
        ),
        pytest.param(
            [Limit("grid loop B", 800), Limit("park", 600, layer=Layer.DSO_CAP)],
            "plaza",
            "held at 680 kW: park import limit 600 kW (DSO cap), class 0 gives way first",
            "gehouden op 680 kW: importlimiet 600 kW van park (netbeheerder), klasse 0 wijkt het eerst",
            id="the tighter of two",
        ),
        pytest.param(
            [Limit("grid loop B", 0), Limit("park", export_kw=0, layer=Layer.PROTECTION)],
            "plaza",
            "held at 0 kW: grid loop B import limit 0 kW (contract) + park export limit 0 kW (protection), "
            "class 0 gives way first",
            "gehouden op 0 kW: importlimiet 0 kW van grid loop B (contract) + exportlimiet 0 kW van park (beveiliging), "
            "klasse 0 wijkt het eerst",
            id="opposite limits on one path",
        ),
        pytest.param([], "bat-1", "at its target, 0 kW: nothing binds", "op doel, 0 kW: niets knelt", id="free"),
    ],
)
def test_a_setpoint_is_explained_in_a_sentence(limits, asset, english, dutch):
    explanation = explained(limits, asset)
    assert sentence(explanation, Language.EN) == english
    assert sentence(explanation, Language.NL) == dutch


def test_at_the_end_of_a_band_the_class_is_still_that_of_the_band():
    assert explained([Limit("grid loop B", 0)], "plaza").order == 0
    assert explained([Limit("grid loop B", 0, uncontrolled_kw=1)], "bat-1").order == 2
