# SPDX-License-Identifier: LGPL-3.0-or-later
# `make help` lists the targets. Everything is installed into .venv, except what some tests need of the system. What runs
# Rosin comes first, and alone for `make run`; what develops it comes on top.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
RUNNING := $(VENV)/.running
DEVELOPING := $(VENV)/.developing
HOST ?= 127.0.0.1
PORT ?= 5000
UI ?= 1
BASE ?= HEAD~1
# Where PYTHONDONTWRITEBYTECODE is set, each process would compile all of Rosin again.
COMPILE = $(BIN)/python -m compileall -q
PYTEST = $(BIN)/python -m pytest -q --rfc-table-check $(if $(UI),,-m 'not ui')
# Counting lines and branches makes some tests several times as slow.
COUNT = --cov --cov-report=json:build/coverage.json --timeout=300 -o faulthandler_timeout=400

.DEFAULT_GOAL := help
.PHONY: help setup run test check mutants bench ecosystem docs clean browser mpi

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  \1\t/' | expand -t 12

$(RUNNING): pyproject.toml dropin/pyproject.toml
	@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo 'Rosin needs Python 3.11 or newer: install it, or say make PYTHON=/path/to/python3.11' >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e . -e dropin
	@$(COMPILE) src dropin
	@touch $@

$(DEVELOPING): $(RUNNING)
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	@touch $@

setup: $(DEVELOPING) ## create .venv with Rosin, its drop-in and the development tools

run: $(RUNNING) ## start an instance with the REST API and web page (HOST, PORT)
	@echo 'Starting an instance on this machine; Ctrl-C stops it. In another terminal:'
	@echo
	@echo '    export PATH="$(CURDIR)/$(BIN):$$PATH"'
	@echo '    rosin run hostname'
	@echo '    rosin jobs -a'
	@echo
	@$(BIN)/rosin start $(BIN)/rosin serve --host $(HOST) --port $(PORT)

test: $(DEVELOPING) $(if $(UI),browser) mpi ## run all tests; UI= leaves out those that need a browser, COVERAGE=1 counts lines
	@$(COMPILE) src dropin tests
	$(PYTEST) $(if $(COVERAGE),$(COUNT))
	$(if $(COVERAGE),$(BIN)/python -m tests.coverage_floors build/coverage.json)

check: $(DEVELOPING) ## check format, lint, types and layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

mutants: $(DEVELOPING) ## see whether tests notice faults in the files changed since BASE (FILES, LIMIT)
	$(BIN)/python -m tests.mutation --base $(BASE) $(if $(LIMIT),--limit $(LIMIT)) $(FILES)

bench: $(DEVELOPING) ## measure; FLUX=/path/to/flux compares with a flux-core in the same run
	$(BIN)/python -m benchmarks $(if $(FLUX),--flux $(FLUX))

ecosystem: $(RUNNING) ## run real programs that use Flux, each in an environment of its own (PROGRAMS, FLUX)
	$(BIN)/python examples/ecosystem/run.py $(PROGRAMS)

docs: $(DEVELOPING) ## write the generated pages of docs/
	$(BIN)/python docs/generate.py
	$(BIN)/python -m pytest -q -m 'rfc or rfc_vectors' --rfc-table=docs/reference/rfcs.md

# The UI tests drive the system's Chromium.
browser:
	@command -v chromium chromium-browser google-chrome >/dev/null || { \
	  command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] \
	    && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; } \
	  || { echo 'The UI tests need Chromium: install the package "chromium", or say make test UI=' >&2; exit 1; }

# Tests with MPI try what there is. What pip does not have is small, and is installed where that is allowed.
mpi:
	@{ ldconfig -p | grep -q 'libmpich\.so' && ldconfig -p | grep -q 'libpmi2\.so'; } 2>/dev/null \
	  || { command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] && apt-get update -qq \
	    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq libmpich12 libpmi2-0 >/dev/null; } \
	  || echo "Without the packages libmpich12 and libpmi2-0 two tests with MPI are left out."

clean: ## remove .venv and what tools have left
	rm -rf $(VENV) build dist .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
