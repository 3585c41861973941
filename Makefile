# Every target sets up what is missing first; `make setup` does only that.
.DEFAULT_GOAL := help
PY := .venv/bin/python
# more than two cores' worth: many tests wait for time to pass
WORKERS ?= 3
# what `make bench` measures: modules of benchmarks/ that need no recorded data and end within minutes
BENCH ?= bus analyzer backtest delivery record what_if simulator feed dashboard start memory
PYTEST = $(PY) -m pytest -n $(WORKERS) --dist loadgroup

.PHONY: help setup demo up test test-slow test-browser test-compose chaos power check format bench lock sbom clean

help:  ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:  ## create .venv, install what the lock names, build the dashboard (once, and when the locks change)
	@sh scripts/setup.sh

demo:  ## a simulated exchange, every service, a dashboard: nothing leaves this machine
	@./sevengate demo $(ARGS)

up:  ## the same against live Binance
	@./sevengate up $(ARGS)

test: setup  ## the tests that answer within minutes: units, contracts, stores, services one at a time
	$(PYTEST) -m "not slow and not browser and not docker and not compose" $(ARGS)

test-slow: setup  ## the tests that run whole services: feeds, deliveries, takeovers, a demo
	$(PYTEST) -m "slow and not docker and not compose" $(ARGS)

test-browser: setup  ## the dashboard in a real browser (needs a Chromium)
	$(PYTEST) -m browser tests/browser $(ARGS)

test-compose: setup  ## docker compose up, and what happens to it in years (needs a Docker engine)
	$(PY) -m pytest -m compose -s tests/compose $(ARGS)

chaos: setup  ## kill services at random and compare the alerts with an undisturbed run
	$(PY) -m tests.chaos $(ARGS)

power: setup  ## cut the power of a running stack again and again: what was not synced is gone
	$(PY) -m tests.power $(ARGS)

check: setup  ## ruff, mypy strict, import contracts, the dashboard's types, known holes and secrets
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	.venv/bin/lint-imports
	@sh scripts/dashboard.sh check
	@sh scripts/grafana.sh check
	@sh scripts/security.sh

format: setup  ## let ruff format and fix what it can
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

bench: setup  ## what things cost, as ratios and sizes (BENCH="bus record": those two alone)
	@for each in $(BENCH); do echo "== $$each"; $(PY) -m benchmarks.$$each || exit 1; done

lock:  ## regenerate the lock files from pyproject.toml
	@sh scripts/lock.sh

sbom: setup  ## write build/sbom.cdx.json: the packages of the largest image, as CycloneDX
	@mkdir -p build && $(PY) scripts/sbom.py > build/sbom.cdx.json && echo build/sbom.cdx.json

clean:  ## remove what was made here, except people's data
	rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache services/api/web/dist services/api/web/node_modules .sevengate/demo
