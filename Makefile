# Every target sets up what it needs; `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
AIRFLEET := $(VENV)/bin/airfleet
LAB ?= airfleet
NODES ?= 2

.PHONY: help install demo test test-long test-fast lint audit bench bench-chart bench-fleet bench-migration lab-up lab-down clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Fix: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "error: $(PYTHON) has no venv module. Fix: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

install: $(VENV)/.installed ## Make .venv and put airfleet in it
	@echo "airfleet is installed: $(AIRFLEET) --help"

demo: $(VENV)/.installed ## Bring up a Kubernetes, install the chart, run a DAG as pods (AIRFLEET_CONTEXT=name: on your own cluster)
	$(AIRFLEET) demo

test: $(VENV)/.installed ## Run every test but the benchmarks
	$(VENV)/bin/python tests/run.py all

test-long: $(VENV)/.installed ## Run the live tests that take longest and that `make test` leaves out (tests/README.md)
	$(VENV)/bin/python tests/run.py long

test-fast: $(VENV)/.installed ## Run the static, chart and toolkit tests, which need no Airflow
	$(VENV)/bin/python tests/run.py fast

lint: $(VENV)/.installed ## Run ruff, mypy, yamllint and the checks of generated files
	$(VENV)/bin/python tests/run.py static

audit: $(VENV)/.installed ## Report known vulnerabilities of locked packages and built images (docs/guide/supply-chain.md)
	$(AIRFLEET) audit

bench: $(VENV)/.installed ## Measure render time and task latency (docs/reference/compared-with-official.md)
	$(VENV)/bin/python tests/run.py bench

bench-chart: $(VENV)/.installed ## Print the chart's scorecard and write it to docs/reference/scorecard.md
	$(VENV)/bin/python tests/bench/render.py --write

bench-fleet: $(VENV)/.installed ## Time the commands of a fleet on 50 and on 500 clusters
	$(VENV)/bin/python tests/bench/fleet.py

bench-migration: $(VENV)/.installed ## Time the migration of a database by the rows that it holds (docs/guide/upgrades.md)
	$(VENV)/bin/python tests/bench/migration.py

lab-up: $(VENV)/.installed ## Start a Kubernetes on this machine (LAB=name NODES=2)
	$(AIRFLEET) lab up --name $(LAB) --nodes $(NODES)

lab-down: $(VENV)/.installed ## Stop it and leave nothing behind (LAB=name)
	$(AIRFLEET) lab down --name $(LAB)

clean: ## Delete what was made in the checkout (the cache outside it stays)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build scripts/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
