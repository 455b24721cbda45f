import numpy as np

from connectors.simulator.network import build_network
from hub.tree import build_tree


def test_every_node_carries_the_connections_that_the_hubs_tree_puts_below_it(de_koumen):
    network, tree = build_network(de_koumen), build_tree(de_koumen)
    eans = np.array([connection.ean for connection in de_koumen.connections])
    carried = {node: set(eans[row == 1]) for node, row in zip(network.node_ids, network.below, strict=True)}
    by_tree = {node.id: set(tree.connections_below(node.id)) for node in tree.nodes}
    members = {connection.ean for connection in de_koumen.connections if connection.member}
    # In the tree the group is a level that all pass; its meter counts members only.
    assert carried["group"] == members
    assert carried | {"group": by_tree["group"]} == by_tree
