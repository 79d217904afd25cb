# One virtual environment, made when needed; repeated calls cost nothing.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SERVED := $(VENV)/.served
DEVELOPED := $(VENV)/.developed
BENCHED := $(VENV)/.benched
BILLED := $(VENV)/.billed
WHEELS := build/wheels
# what the image serves with, and no more: no pip, nothing for development
SERVING := build/serving
DATA ?= ../shared/data
RECORDING ?= $(DATA)/smd-1-6.npz
# what docs/quality.md shows: machines, and seconds between rows where files do not say
MACHINES ?= $(DATA) $(DATA)/nab
STEPS ?= --step smd=60 --step asd=300
SCORERS ?= gru,gru/mse,var,pca,ewma,persistence
QUALITY ?= build/quality
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help
.PHONY: help run install test check fmt lint type imports tests clean
.PHONY: quality quality-peers dashboards wheel sbom
.PHONY: bench bench-speed bench-quick bench-parts bench-memory bench-scrape bench-data

help: ## show the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-13s %s\n", $$1, $$2}'

run: $(SERVED) ## the demo: train on a simulated plant, serve, inject faults, print alerts
	$(BIN)/stepwatch demo

install: $(DEVELOPED) ## the virtual environment with everything for development

# torch first and alone: a looser requirement met on the way could pull a build of several gigabytes
$(SERVED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(DEVELOPED): $(SERVED)
	$(BIN)/pip install --quiet --constraint constraints.txt --group dev
	touch $@

$(BENCHED): $(DEVELOPED)
	$(BIN)/pip install --quiet --constraint constraints.txt --group bench
	touch $@

$(BILLED): $(DEVELOPED)
	$(BIN)/pip install --quiet --constraint constraints.txt --group sbom
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
MEASURE = PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m

bench: bench-speed bench-parts bench-memory bench-scrape bench-data ## everything that is measured; nothing else running, a quarter of an hour

bench-speed: $(DEVELOPED) ## every path beside a service written by hand; some minutes
	$(MEASURE) benchmarks.speed $(BENCH)

bench-quick: $(DEVELOPED) ## the same in two minutes
	$(MEASURE) benchmarks.speed --quick $(BENCH)

bench-parts: $(BENCHED) ## each part beside its floor, and peers in process
	$(MEASURE) benchmarks.micro
	$(MEASURE) benchmarks.peers

bench-memory: $(DEVELOPED) ## memory of up to 100,000 streams
	$(MEASURE) benchmarks.memory

bench-scrape: $(DEVELOPED) ## the metrics page of 100,000 streams
	$(MEASURE) benchmarks.scrape

bench-data: $(DEVELOPED) ## training and replay on a recording, RECORDING=FILE.npz
ifneq ($(wildcard $(RECORDING)),)
	$(MEASURE) benchmarks.training $(RECORDING)
	$(MEASURE) benchmarks.replay $(RECORDING)
else
	@echo "training and replay are not measured: there is no $(RECORDING)"
endif

quality: $(DEVELOPED) ## the scoreboard of docs/quality.md, DATA=DIR; a quarter of an hour
	$(BIN)/stepwatch evaluate $(MACHINES) $(STEPS) --scorers $(SCORERS) --out $(QUALITY)

quality-peers: $(BENCHED) ## half-space trees, isolation forest, false alarms asked for and got, shifts
	$(MEASURE) benchmarks.quality_peers $(DATA)/smd-*.npz $(DATA)/asd-*.npz $(STEPS)
	$(MEASURE) benchmarks.false_alarms $(DATA)/smd-*.npz $(DATA)/asd-*.npz
	$(MEASURE) benchmarks.shifts
	$(MEASURE) benchmarks.scoring

dashboards: $(DEVELOPED) ## Grafana's dashboards from their script
	$(BIN)/python docker/grafana/source

wheel: $(DEVELOPED) ## the wheel, in build/wheels
	rm -rf $(WHEELS)
	$(BIN)/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir $(WHEELS) .

INTO_SERVING = $(BIN)/pip --python $(SERVING) install --quiet --constraint constraints.txt

# the steps of the Dockerfile; torch is the build that the index offers here
sbom: wheel $(BILLED) ## bill of materials of what is served (CycloneDX 1.6), build/sbom.json
	rm -rf $(SERVING)
	$(PYTHON) -m venv --without-pip $(SERVING)
	$(INTO_SERVING) torch
	$(INTO_SERVING) "$$(echo $(WHEELS)/stepwatch-*.whl)[plot]"
	$(BIN)/cyclonedx-py environment $(SERVING) --pyproject pyproject.toml --spec-version 1.6 \
		--output-reproducible --output-file build/sbom.json

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) $(WHEELS) $(SERVING) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
