# One command each: `make demo` shows the product, `make test` proves it, `make check` is what CI runs.

PYTHON ?= $(shell for candidate in python3.13 python3.12 python3.11 python3; do \
	if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	echo $$candidate; break; fi; done)
VENV := .venv
BIN := $(VENV)/bin
TRYTON := .venv-tryton
export TOLLBOOK_HOME ?= $(CURDIR)/.tollbook
export TOLLBOOK_TRYTON ?= $(CURDIR)/$(TRYTON)

.PHONY: demo setup setup-dev test check lint types imports docs bench fmt clean

demo: setup
	$(BIN)/tollbook demo $(if $(EVENTS),--events $(EVENTS))

setup: $(VENV)/.installed $(TRYTON)/.installed

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Tollbook needs Python 3.11 or later (Debian: apt-get install python3 python3-venv)."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make a virtual environment (Debian: apt-get install python3-venv)."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.lock pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

$(TRYTON)/.installed: erp/tryton/requirements.lock $(wildcard erp/tryton/trytond_tollbook/*) | $(VENV)/bin/python
	erp/tryton/setup.sh $(TRYTON) $(PYTHON)
	@touch $@

setup-dev: $(VENV)/.installed-dev $(TRYTON)/.installed

test: setup-dev
	$(BIN)/pytest $(if $(WORKERS),-n $(WORKERS) --dist loadfile) $(ARGS)

# Most of the time of the tests is waiting: for brokers, for processes that were killed.
check: WORKERS ?= 3
check: lint types imports test

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

imports: $(VENV)/.installed-dev
	$(BIN)/lint-imports

# Pages and schemas made from the source; a test compares them.
docs: $(VENV)/.installed-dev
	$(BIN)/python tests/docs/generate.py

# Everything that is measured, each with its machine; one alone: `make bench-burst ARGS="--seconds 60"`.
BENCHES := ingest bulk kafka current burst seal usage entitlement rerate
bench: $(VENV)/.installed-dev
	$(BIN)/python bench/ingest.py
	$(BIN)/python bench/ingest.py --events 500000 --batch 100
	$(BIN)/python bench/ingest.py --events 2000 --batch 1 --connections 1
	$(BIN)/python bench/ingest.py --worker
	$(BIN)/python bench/bulk.py
	$(BIN)/python bench/kafka.py
	$(BIN)/python bench/current.py
	$(BIN)/python bench/burst.py --seconds 60
	$(BIN)/python bench/seal.py --days 2 --events 1000000
	$(BIN)/python bench/usage.py
	$(BIN)/python bench/entitlement.py
	$(BIN)/python bench/rerate.py --more --month

$(addprefix bench-,$(BENCHES)): bench-%: $(VENV)/.installed-dev
	$(BIN)/python bench/$*.py $(ARGS)

fmt: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

# Removes what `make` made here; books in other homes stay.
clean:
	rm -rf $(VENV) $(TRYTON)
