# Targets for newcomers, developers and CI. `make` alone lists them.
# Paths are relative to this file, because names of folders may contain spaces.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run up down test audit test-spark test-topology test-grafana bench bench-check faults lint format store-file grafana lock upgrade check-lock security accept-secrets advisories sbom fuzz clean set-up set-up-dev set-up-spark set-up-airflow set-up-bench
# Set-ups share environments, so they run one after another, in the order given.
.NOTPARALLEL:

# Ignore the shell's own Python settings.
unexport PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE VIRTUAL_ENV
export PYTHONNOUSERSITE := 1
export PYTHONUTF8 := 1
# Nothing here multiplies matrices, and NumPy's threads for that take each process 80 ms.
export OPENBLAS_NUM_THREADS := 1

SET_UP = python=$$(scripts/find-python) && "$$python" -I scripts/set_up.py
PYTHON_OF_VENV = .venv/bin/python
# Extra arguments for pytest: make test ARGS='-k clean -x'
ARGS ?=
# Three or four workers (tests/conftest.py): each with engines of its own, and with whole modules.
# ARGS='-n 0' switches them off, ARGS='-n 2' takes half the memory.
WORKERS = --numprocesses=auto --dist=loadfile --no-loadscope-reorder

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

run: set-up ## set up, run the sales DAG and show the results; ROWS=, SEED= and AS_OF= choose the batch
	@$(PYTHON_OF_VENV) scripts/local_airflow/run_dag.py

up: set-up ## start Airflow in the background, with its pages on 127.0.0.1; PORT= changes port 8080
	@$(PYTHON_OF_VENV) scripts/local_airflow/up.py

down: set-up ## stop what make up started
	@$(PYTHON_OF_VENV) scripts/local_airflow/up.py down

test: set-up-dev ## set up and run the tests; ARGS= is passed to pytest
	@scripts/browser
	@$(PYTHON_OF_VENV) -m pytest $(WORKERS) $(ARGS)

audit: set-up-dev ## verify small batches by the auditor's script, and alter each; BATCHES= instead of 1,000
	@PYTHONPATH=scripts $(PYTHON_OF_VENV) -m tests.auditor $(BATCHES)

test-spark: set-up-spark ## run the tests on Apache Spark instead of the embedded engine
	@$(PYTHON_OF_VENV) scripts/spark_server.py $(PYTHON_OF_VENV) -m pytest $(ARGS)

test-topology: set-up-spark set-up-airflow ## run a batch through all of compose.yaml: as processes, and in Docker if available
	@$(PYTHON_OF_VENV) -m pytest tests/topology/journey.py tests/topology/images.py tests/topology/containers.py $(ARGS)

bench: set-up-bench ## measure all of benchmarks/, up to 100,000,000 rows, in an hour; ROWS= and ROUNDS= choose how much
	@scripts/jdbc_driver
	@$(PYTHON_OF_VENV) benchmarks/pipeline.py --write --rounds $(or $(ROUNDS),3) $(or $(ROWS),1000000 10000000 100000000)
	@$(PYTHON_OF_VENV) benchmarks/extract.py --write --rounds $(or $(ROUNDS),3) $(lastword $(or $(ROWS),10000000))
	@$(PYTHON_OF_VENV) benchmarks/compare.py --write --rounds $(or $(ROUNDS),1) $(or $(ROWS),100000 1000000 10000000 100000000)
	@$(PYTHON_OF_VENV) benchmarks/panels.py --write

bench-check: set-up-bench ## run each benchmark small, and the commands and the batch that the pages show
	@scripts/jdbc_driver
	@$(PYTHON_OF_VENV) -m pytest tests/showcase.py $(ARGS)

faults: set-up-dev ## kill batches at any moment and compare what reruns leave; SECONDS= and SEED= choose how long and which, AIRFLOW=1 adds an Airflow
	@PYTHONPATH=scripts:scripts/local_airflow $(PYTHON_OF_VENV) -m tests.faults $(if $(SECONDS),--seconds $(SECONDS)) \
		$(if $(SEED),--seed $(SEED)) $(if $(AIRFLOW),--airflow)

test-grafana: set-up-dev ## draw the dashboards with Grafana's own packages, if Node is installed
	@scripts/browser
	@scripts/grafana_packages
	@$(PYTHON_OF_VENV) -m pytest tests/grafana_drawn/drawn.py $(ARGS)

lint: set-up-dev ## check style and types, and the page's JavaScript if Node is installed
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/mypy
	@$(PYTHON_OF_VENV) -m pytest -q tests/javascript/checks.py

format: set-up-dev ## format the code
	@.venv/bin/ruff check --fix-only --quiet
	@.venv/bin/ruff format

store-file: set-up-dev ## make the schema of store.toml and the tables of docs/store-file.md
	@$(PYTHON_OF_VENV) -m vitrina.exports.reference docs

grafana: set-up-dev ## generate Grafana's dashboards and alerts in deploy/grafana; STORE= is a store's file, OUT= another folder
	@$(PYTHON_OF_VENV) -m vitrina.dashboard.grafana "$(or $(OUT),deploy/grafana)" $(if $(STORE),--store "$(STORE)")

lock: set-up-dev ## pin what pyproject.toml requires, keeping present pins that still fit
	@$(PYTHON_OF_VENV) scripts/lock.py

upgrade: set-up-dev ## pin the newest versions that pyproject.toml allows
	@$(PYTHON_OF_VENV) scripts/lock.py --upgrade

check-lock: set-up-dev ## check that the pins match pyproject.toml and have wheels on every platform
	@$(PYTHON_OF_VENV) scripts/lock.py --check

# A test makes up passwords, so only tokens of known services are looked for there.
MADE_UP = $(addprefix --disable-plugin ,KeywordDetector BasicAuthDetector \
	HexHighEntropyString Base64HighEntropyString)

security: set-up-dev ## look for insecure code, secrets in files and pins with known vulnerabilities
	@.venv/bin/bandit --quiet --configfile pyproject.toml --recursive src dags deploy scripts
	@git ls-files -z -- . :!tests :!requirements | \
		xargs -0 .venv/bin/detect-secrets-hook --no-verify --baseline .secrets.baseline
	@git ls-files -z -- tests | xargs -0 .venv/bin/detect-secrets-hook --no-verify $(MADE_UP)
	@$(PYTHON_OF_VENV) scripts/advisories.py

accept-secrets: set-up-dev ## accept what the search for secrets finds now, as not secret
	@.venv/bin/detect-secrets scan --slim --no-verify --exclude-files '^(tests/|requirements/|\.secrets)' \
		> .secrets.baseline.new && mv .secrets.baseline.new .secrets.baseline

advisories: set-up-dev ## fetch the list of known vulnerabilities from OSV; FROM= takes a folder or zip
	@$(PYTHON_OF_VENV) scripts/advisories.py --refresh $(if $(FROM),"$(FROM)")

sbom: set-up-dev ## list what is pinned in build/sbom, as CycloneDX
	@mkdir -p build/sbom
	@for file in run airflow spark-image; do \
		$(PYTHON_OF_VENV) -W ignore::UserWarning -m cyclonedx_py requirements "requirements/$$file.txt" --pyproject pyproject.toml \
			--output-reproducible --output-format JSON --output-file "build/sbom/$$file.cdx.json" \
			|| exit 1; \
		echo "build/sbom/$$file.cdx.json"; \
	done

fuzz: set-up-dev ## try unlikely input for minutes, looking for tracebacks and passwords
	@$(PYTHON_OF_VENV) -m pytest tests/test_fuzz.py --hypothesis-profile fuzz --timeout 1800 $(ARGS)

clean: ## remove environments and caches, but not the data
	@rm -rf .venv .venv-spark .venv-airflow .venv*.lock .uv-cache
	@rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
	@find src dags tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +
	@if [ -d data ]; then echo "data/ is kept; rm -r data removes the lake and the stores"; fi

set-up:
	@$(SET_UP) run

set-up-dev:
	@$(SET_UP) dev

set-up-spark:
	@$(SET_UP) spark

set-up-airflow:
	@$(SET_UP) airflow

set-up-bench:
	@$(SET_UP) bench
