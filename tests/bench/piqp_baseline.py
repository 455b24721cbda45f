"""The same clearing as a quadratic programme for PIQP, the fastest general solver on it.

Variables are the setpoints and the node sums, tied by one sparse equality per node: far fewer non-zeros than a row of
ones per node. One class only: minimise sum (x - t)^2 / (2 w).
"""

import numpy as np
import piqp
from scipy import sparse

from balancer.kernel import State
from balancer.topology import Topology


class Baseline:
    """The programme's matrices, made once; `solve` is what is timed: setup and solve."""

    def __init__(self, topology: Topology, state: State) -> None:
        n_assets, n_nodes = len(topology.asset_ids), len(topology.node_ids)
        below = np.flatnonzero(topology.parent >= 0)
        rows = np.concatenate([topology.asset_node, topology.parent[below], np.arange(n_nodes)])
        columns = np.concatenate([np.arange(n_assets), n_assets + below, n_assets + np.arange(n_nodes)])
        values = np.concatenate([np.ones(n_assets + below.size), -np.ones(n_nodes)])
        self.ties = sparse.csc_matrix((values, (rows, columns)), shape=(n_nodes, n_assets + n_nodes))
        curvature = np.concatenate([1.0 / topology.weight, np.zeros(n_nodes)])
        self.quadratic = sparse.diags(curvature, format="csc")
        self.linear = np.concatenate([-state.target_kw / topology.weight, np.zeros(n_nodes)])
        low, high = np.full(n_nodes, -np.inf), np.full(n_nodes, np.inf)
        np.maximum.at(low, topology.limit_node, state.lower_kw - state.uncontrolled_kw)
        np.minimum.at(high, topology.limit_node, state.upper_kw - state.uncontrolled_kw)
        self.low = np.concatenate([state.min_kw, low])
        self.high = np.concatenate([state.max_kw, high])
        self.zeros = np.zeros(n_nodes)
        self.n_assets = n_assets

    def solve(self) -> np.ndarray:
        """Setpoints, kW."""
        solver = piqp.SparseSolver()
        solver.setup(self.quadratic, self.linear, self.ties, self.zeros, None, None, None, self.low, self.high)
        solver.solve()
        return np.asarray(solver.result.x[: self.n_assets])
