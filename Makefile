# Everything a newcomer, a developer and CI need. `make` alone lists the targets.
# Folder names may hold spaces, so every path here is relative to this file.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run up down test test-spark test-topology test-grafana lint format grafana lock upgrade check-lock clean set-up set-up-dev set-up-spark set-up-airflow
# The set-ups share environments, and their order is the order they are named in.
.NOTPARALLEL:

# Nothing from the shell's own Python set-up reaches ours.
unexport PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE VIRTUAL_ENV
export PYTHONNOUSERSITE := 1
export PYTHONUTF8 := 1

SET_UP = python=$$(scripts/find-python) && "$$python" -I scripts/set_up.py
PYTHON_OF_VENV = .venv/bin/python
# Extra arguments for pytest: make test ARGS='-k clean -x'
ARGS ?=

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

run: set-up ## set up, run the sales DAG and show the results; ROWS= SEED= AS_OF= choose a batch
	@$(PYTHON_OF_VENV) scripts/local_airflow/run_dag.py

up: set-up ## bring Airflow up with its pages on 127.0.0.1; PORT= chooses another port than 8080
	@$(PYTHON_OF_VENV) scripts/local_airflow/up.py

down: set-up ## stop what `make up` started
	@$(PYTHON_OF_VENV) scripts/local_airflow/up.py down

test: set-up-dev ## set up and run the tests; ARGS= go to pytest
	@scripts/browser
	@$(PYTHON_OF_VENV) -m pytest $(ARGS)

test-spark: set-up-spark ## run the tests on Apache Spark instead of the embedded engine
	@$(PYTHON_OF_VENV) scripts/spark_server.py $(PYTHON_OF_VENV) -m pytest $(ARGS)

test-topology: set-up-spark set-up-airflow ## run a batch through all of deploy/compose.yaml: as processes, and in Docker where it is
	@$(PYTHON_OF_VENV) -m pytest tests/topology/journey.py tests/topology/images.py tests/topology/containers.py $(ARGS)

test-grafana: set-up-dev ## draw the dashboards with Grafana's own packages, where Node is
	@scripts/browser
	@scripts/grafana_packages
	@$(PYTHON_OF_VENV) -m pytest tests/grafana_drawn/drawn.py $(ARGS)

lint: set-up-dev ## check style and types
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/mypy

format: set-up-dev ## put the code into the common form
	@.venv/bin/ruff check --fix-only --quiet
	@.venv/bin/ruff format

grafana: set-up-dev ## write the files that Grafana provisions: dashboards and alerts
	@$(PYTHON_OF_VENV) -m vitrina.dashboard.grafana deploy/grafana

lock: set-up-dev ## pin what pyproject.toml asks for; what is pinned stays while it fits
	@$(PYTHON_OF_VENV) scripts/lock.py

upgrade: set-up-dev ## pin the newest versions that pyproject.toml allows
	@$(PYTHON_OF_VENV) scripts/lock.py --upgrade

check-lock: set-up-dev ## check that the pins are fresh and have wheels on every platform
	@$(PYTHON_OF_VENV) scripts/lock.py --check

clean: ## remove the environments and caches; the data stay
	@rm -rf .venv .venv-spark .venv-airflow .venv*.lock .uv-cache
	@rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
	@find src dags tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +
	@if [ -d data ]; then echo "data/ stays: rm -r data removes the lake and the stores"; fi

set-up:
	@$(SET_UP) run

set-up-dev:
	@$(SET_UP) dev

set-up-spark:
	@$(SET_UP) spark

set-up-airflow:
	@$(SET_UP) airflow
