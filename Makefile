# Everything a newcomer or a machine runs. `make help` lists it; each target does by itself what it needs.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin

# The first Python of at least 3.11 that can make an environment. Looked for only when needed.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)
define ENVIRONMENT
	@test -n "$(PYTHON)" || { echo "telco needs Python 3.11 or newer with its venv module (Debian: python3.11-venv)." >&2; exit 1; }
	@$(PYTHON) tools/environment.py
endef

# Extra arguments, such as: make test ARGS='tests/ledger -x'
ARGS ?=

.PHONY: help
help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run:  ## Install, start the demo operator with its own PostgreSQL and Redis, play a first day, stay up
	$(ENVIRONMENT) run
	@$(BIN)/telco demo $(ARGS)

.PHONY: test
test:  ## Run the test suite, on every core up to eight
	$(ENVIRONMENT) dev
	@$(BIN)/python -m pytest --numprocesses logical --maxprocesses 8 $(ARGS)

.PHONY: check
check: lint types imports test  ## Run what CI runs: lint, types, import contracts, tests

.PHONY: lint
lint:  ## Check style and format
	$(ENVIRONMENT) dev
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

.PHONY: types
types:  ## Check types
	$(ENVIRONMENT) dev
	@$(BIN)/mypy

.PHONY: imports
imports:  ## Check who may import whom
	$(ENVIRONMENT) dev
	@$(BIN)/lint-imports

.PHONY: coverage
coverage:  ## Run the test suite and print what it covers
	$(ENVIRONMENT) dev
	@$(BIN)/coverage run -m pytest $(ARGS)
	@$(BIN)/coverage report

.PHONY: format
format:  ## Format the code and mend what ruff can mend
	$(ENVIRONMENT) dev
	@$(BIN)/ruff check --fix-only --quiet
	@$(BIN)/ruff format

.PHONY: clauses
clauses:  ## List the contract's clauses: done or open, with code and tests
	$(ENVIRONMENT) dev
	@$(BIN)/python -m tools.clauses $(ARGS)

.PHONY: simulate
simulate:  ## Let 1,000 subscribers live through a year on a simulated clock, audit each day, write report and plots
	$(ENVIRONMENT) run
	@$(BIN)/telco simulate --subscribers 1000 --days 365 $(ARGS)

.PHONY: bench
bench:  ## Measure every bar in full
	$(ENVIRONMENT) run
	@$(BIN)/telco bench all $(ARGS)

.PHONY: lock
lock:  ## Choose the newest allowed versions of the dependencies and write both lock files
	$(ENVIRONMENT) dev
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/python -m tools.lock

.PHONY: clean
clean:  ## Remove what was built; the demo's data stay
	@rm -rf $(VENV) .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
