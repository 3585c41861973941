# Every target sets up what is missing first; `make setup` does only that.
.DEFAULT_GOAL := help
PY := .venv/bin/python
# more than two cores' worth: many tests wait for time to pass
WORKERS ?= 3

.PHONY: help setup demo up test chaos check format bench lock clean

help:  ## list the targets
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:  ## create .venv, install what the lock names, build the dashboard (once, and when the locks change)
	@sh scripts/setup.sh

demo: setup  ## a simulated exchange, every service, a dashboard: nothing leaves this machine
	@./sevengate demo $(ARGS)

up: setup  ## the same against live Binance
	@./sevengate up $(ARGS)

test: setup  ## every test that needs only this machine
	$(PY) -m pytest -n $(WORKERS) --dist loadgroup -m "not docker and not compose" $(ARGS)

chaos: setup  ## kill services at random and compare the alerts with an undisturbed run
	$(PY) -m tests.chaos $(ARGS)

check: setup  ## ruff, mypy strict, import contracts, the dashboard's types
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	.venv/bin/lint-imports
	@sh scripts/dashboard.sh check

format: setup  ## let ruff format and fix what it can
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

bench: setup  ## the benchmarks
	$(PY) -m pytest benchmarks --benchmark-only $(ARGS)

lock:  ## regenerate the lock files from pyproject.toml
	@sh scripts/lock.sh

clean:  ## remove what was made here, except people's data
	rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache services/api/web/dist services/api/web/node_modules .sevengate/demo
