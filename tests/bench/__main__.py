"""`python -m tests.bench NAME [--json]`: run the benchmark in `tests/bench/NAME.py`, whose `figures()` yields figures.

A table on standard output, or one JSON line per figure. Exit 1 if a figure misses what it must at least reach.
"""

import json
import sys
from importlib import import_module
from pathlib import Path

from tests.bench.figure import Figure


def main(arguments: list[str]) -> int:
    names = [argument for argument in arguments if not argument.startswith("-")]
    known = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if "def figures(" in path.read_text())
    if len(names) != 1 or names[0] not in known:
        print(f"usage: python -m tests.bench {{{','.join(known)}}} [--json]", file=sys.stderr)
        return 2
    figures = []
    for figure in import_module(f"tests.bench.{names[0]}").figures():
        figures.append(figure)
        print(json.dumps(figure.row()) if "--json" in arguments else figure.line(), flush=True)
    return 0 if all(figure.reached for figure in figures) else 1


if __name__ == "__main__":
    figure_class = Figure  # benchmarks yield these
    sys.exit(main(sys.argv[1:]))
