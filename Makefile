PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STRICT ?=
# examples in docstrings; not the hub folders' own scripts, nor what runs when imported
DOCTESTED := balancer hub streams connectors infra lusbalans --ignore=infra/hubs --ignore=lusbalans/__main__.py
.DEFAULT_GOAL := help

help: ## what each target does
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

env: $(VENV)/.ready ## make the virtual environment

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; ok = (3, 11) <= v < (3, 14); sys.exit(0 if ok else f"lusbalans needs Python 3.11 to 3.13, this is {v[0]}.{v[1]}: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: env ## start everything on this machine with a simulated park
	$(BIN)/lusbalans demo

check: env ## format, lint, types, imports, examples, tests without services (every commit)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q --doctest-modules $(DOCTESTED)
	$(BIN)/python -m pytest -q -m 'not services and not soak' -n 2 --dist loadfile

test: check ## check, and everything with services it starts itself
	STRICT=$(STRICT) $(BIN)/python -m pytest -q -m 'services or soak' -n 2 --dist loadfile

soak: env ## hundreds of kills and an hour of load, reported (LUSBALANS_SOAK=0.5 for half of it)
	LUSBALANS_SOAK=$${LUSBALANS_SOAK:-1.0} $(BIN)/python -m pytest -s -m soak

faults: env ## what the fault tests measure, as rows for docs/reference/faults.md
	@$(BIN)/python -m pytest -q -s tests/faults | grep "^| "

clean: ## remove the environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

.PHONY: help env demo check test soak faults clean
