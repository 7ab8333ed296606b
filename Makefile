# What people and CI do with this repository; `make` alone lists it.
# Tools are run as modules of .venv/bin/python: the paths inside installed scripts break where the path has a space.
PYTHON ?= python3
PY := .venv/bin/python
STAMP := .venv/.installed
PIP := $(PY) -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help setup run test lint explore chaos test-the-tests check bench bench-all compiled soak format lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

setup: $(STAMP) ## create .venv and install the locked dependencies (once)
	@:

# Old only when a dependency changed, so that every later run works offline.
$(STAMP): requirements.lock pyproject.toml
	@command -v "$(PYTHON)" >/dev/null || { \
	  echo "setup: no $(PYTHON) on the PATH; install Python 3.11 or later, or name one: make setup PYTHON=/path/to/python"; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "setup: Python 3.11 or later is needed, $(PYTHON) is $$("$(PYTHON)" --version 2>&1); name another: make setup PYTHON=python3.12"; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "setup: $(PYTHON) has no venv module; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "setup: installing into .venv (a minute or two, this once)"
	@"$(PYTHON)" -m venv .venv
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $(STAMP)

run: setup ## broker, Redis, worker, sink and a simulated SaaS on this machine: the alerts, live (Ctrl-C ends it)
	@$(PY) -m streams.cli demo

test: setup ## the whole suite on the most real Kafka and Redis to be had; it says which
	$(PY) -m pytest -q -n 2 -m "not river"
	$(PY) -m pytest -m river

explore: setup ## end a worker at every durable operation, all pairs of them too (about an hour; SEED=1 for another)
	$(PY) -m tests.streams.explore --seed $(or $(SEED),0) --pairs $(or $(PAIRS),all)

test-the-tests: setup ## put each fault back that the guarantees exclude: the suite must fail every time (ten minutes)
	@$(PY) -m tests.mutants

check: lint ## format, lint, types, import rules and the fast tests
	$(PY) -m pytest -q -n 2 -m "not river"

lint: setup ## format, lint, types and import rules
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(PY) .venv/bin/lint-imports
	.venv/bin/hadolint Dockerfile
	$(PY) -m check_jsonschema --builtin-schema vendor.compose-spec docker-compose.yml

bench: setup ## events per second against other engines and a plain loop, and the river in bad cases (half an hour)
	$(PY) -m benchmarks
	$(PY) -m benchmarks.cases

bench-all: bench ## besides, latency beside a bare relay, what it costs, what bad records cost (two hours)
	$(PY) -m benchmarks.latency
	$(PY) -m benchmarks.cost
	$(PY) -m benchmarks.bad_input

COMPILED := .cache/compiled

compiled: setup ## a copy of what is committed with its steps compiled, as an image has them (some minutes)
	@rm -rf $(COMPILED) && mkdir -p $(COMPILED)
	@git archive HEAD | tar -x -C $(COMPILED)
	@$(PY) deploy/compile_steps.py $(COMPILED)
	@ln -s .. $(COMPILED)/.cache
	@echo "to measure it: cd $(COMPILED) && ../../.venv/bin/python -m benchmarks --only river"

soak: setup ## memory and open files of a fixed population over ten minutes (FOR=30m for longer)
	$(PY) -m benchmarks.soak --for $(or $(FOR),10m)

# What make chaos may be told: how long, which plan (a seed), which scenarios, where to write what it saw.
CHAOS = --for $(or $(FOR),20m) $(if $(SEED),--seed $(SEED)) $(foreach name,$(SCENARIO),--scenario $(name)) $(if $(JSON),--json $(JSON))

chaos: setup ## break a river on purpose and count what it lost or doubled: make chaos FOR=20m SEED=7
	@$(PY) -m tests.chaos $(CHAOS)

format: setup ## format the code and fix what ruff can fix
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

LOCK := $(PY) -m uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

OTHER_LOCK = $(PY) -m uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

lock: setup ## resolve the locks anew: everything, what a container runs and is compiled with, and the peers of the benchmark
	$(LOCK) --all-extras --output-file requirements.lock
	$(LOCK) --constraint requirements.lock --output-file requirements-run.lock
	$(OTHER_LOCK) deploy/requirements-compile.in --output-file deploy/requirements-compile.txt
	$(OTHER_LOCK) benchmarks/peers/quix/requirements.in --output-file benchmarks/peers/quix/requirements.txt
	$(OTHER_LOCK) benchmarks/peers/bytewax/requirements.in --output-file benchmarks/peers/bytewax/requirements.txt

clean: ## remove .venv, caches and what runs leave behind
	rm -rf ./*-data .venv .cache .run .mypy_cache .ruff_cache .import_linter_cache .pytest_cache .hypothesis dist
