# One virtual environment, made when needed; repeated calls cost nothing.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SERVED := $(VENV)/.served
DEVELOPED := $(VENV)/.developed
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help
.PHONY: help run install test check fmt lint type imports tests bench bench-quick clean

help: ## show the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

run: $(SERVED) ## the demo: train on a simulated plant, serve, inject faults, print alerts
	$(BIN)/stepwatch demo

install: $(DEVELOPED) ## the virtual environment with everything for development

# torch first and alone: a looser requirement met on the way could pull a build of several gigabytes
$(SERVED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(DEVELOPED): $(SERVED)
	$(BIN)/pip install --quiet --constraint constraints.txt --group dev
	touch $@

test: check tests ## everything: formatting, lint, types, imports, tests

check: lint type imports ## everything that reads the code without running it

fmt: $(DEVELOPED) ## format and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(DEVELOPED) ## ruff: format and rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

type: $(DEVELOPED) ## mypy, strict
	$(BIN)/mypy

imports: $(DEVELOPED) ## imports point only downward
	$(BIN)/lint-imports

tests: $(DEVELOPED) ## pytest
	$(BIN)/pytest

# the services that are measured are started by their name
bench: $(DEVELOPED) ## every path beside a service written by hand; some minutes, nothing else running
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m benchmarks.speed $(BENCH)

bench-quick: $(DEVELOPED) ## the same in under two minutes
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m benchmarks.speed --quick $(BENCH)

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
