# ruff: noqa: INP001  a script beside its page, in no package
"""Draw `kernel.svg`: the worked example of `kernel.md`, computed by the kernel itself. Run from the repository root.

python docs/explanation/kernel_picture.py
"""

from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt

from balancer.kernel import Solver, State
from balancer.model import Asset, Limit, Node
from balancer.topology import compile_topology

NODES = [Node("grid loop B", None)]
ASSETS = [
    Asset("plaza", "grid loop B", 0, 300, 300, weight=3, order_down=0),
    Asset("van", "grid loop B", 0, 60, 60, weight=1, order_down=0),
    Asset("battery", "grid loop B", -100, 100, 0, order_down=1),
]
IMPORT_KW = 90.0
STEPS = 400


def main() -> None:
    """Setpoints and their sum while the limit falls, against the price that keeps it."""
    prices, setpoints = [], []
    for step in range(STEPS + 1):
        limit_kw = 360.0 - step * 460.0 / STEPS
        beside_kw = max(0.0, -limit_kw)
        topology = compile_topology(
            NODES, [Limit("grid loop B", limit_kw + beside_kw, None, uncontrolled_kw=beside_kw)], ASSETS
        )
        answer = Solver(topology).solve(State.of(topology))
        prices.append(float(answer.node_price[0]))
        setpoints.append(answer.power_kw.tolist())
    mpl.rcParams["svg.hashsalt"] = "lusbalans"
    figure, axes = plt.subplots(figsize=(7.2, 4.0))
    for name, power_kw, style in zip(
        ("plaza", "van", "battery"), zip(*setpoints, strict=True), ("-", "--", ":"), strict=True
    ):
        axes.plot(prices, power_kw, style, color="0.35", label=name)
    total_kw = [sum(row) for row in setpoints]
    axes.plot(prices, total_kw, color="tab:blue", linewidth=2, label="grid loop B, without its limit")
    axes.axhline(IMPORT_KW, color="tab:red", linewidth=1)
    axes.annotate(f"import limit {IMPORT_KW:g} kW", (-1.98, IMPORT_KW + 8), color="tab:red")
    price = next(p for p, kw in zip(prices, total_kw, strict=True) if kw <= IMPORT_KW)
    axes.plot([price], [IMPORT_KW], "o", color="tab:red")
    axes.axvspan(-1, 0, color="0.93", zorder=0)
    axes.annotate("class 0 gives way", (-0.97, 200))
    axes.annotate("then class 1", (-1.6, 200))
    axes.set(xlabel="price (0 = nothing binds)", ylabel="power, kW (positive = import)", xlim=(-2, 0.05))
    axes.legend(frameon=False, loc="upper left")
    figure.tight_layout()
    figure.savefig(Path(__file__).with_name("kernel.svg"), metadata={"Date": None})


if __name__ == "__main__":
    main()
