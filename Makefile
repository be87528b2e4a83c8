# Each target works as the first command in a fresh clone: it makes the environment it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test check format bench kafka chaos fuzz clean

help: ## Say what the targets do
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(READY)

demo: $(READY) ## Parse an example log and show the double prompt in it
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh deploy/examples/demo.sh

test: $(READY) ## Run all tests
	$(BIN)/python -m pytest -n 2 -q

check: $(READY) ## Format and lint, types, all tests: what must pass before a commit
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 -q

format: $(READY) ## Let ruff format and mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY) ## Measure the speed against a plain loop, about 15 minutes
	$(BIN)/python -m tests.bench

kafka: $(READY) ## Run a real Kafka on port 9092 to try the sidecar with (needs Java 17 and Maven)
	$(BIN)/python -m tests.real.kafka

chaos: $(READY) ## Kill the sidecar again and again on a real Kafka, and count, about 10 minutes
	$(BIN)/python -m tests.chaos.kill

fuzz: $(READY) ## Fuzz the parser with ten million lines, about 15 minutes
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,fuzz]'
	$(BIN)/python tests/fuzz/fuzz_parse.py --lines 10000000

clean: ## Remove the environment and all caches
	rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
