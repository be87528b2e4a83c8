# Each target works as the first command in a fresh clone: it makes the environment it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
READY := $(VENV)/.ready
KERNEL := shipper/decode/kernel
CRATE := $(KERNEL)/Cargo.toml $(shell find $(KERNEL)/src -name '*.rs')

unexport PYTHONDONTWRITEBYTECODE # the tests start the command a thousand times: it is compiled once

.DEFAULT_GOAL := help
.PHONY: help demo kernel kernel-check test slow-test coverage mutants lint check format bench bench-readers bench-sidecar bench-detect kafka kafka-consume chaos fuzz deploy-files deploy-check deploy-tools image image-locks container-tools container-check pictures wheels windows windows-check windows-exe clean

help: ## Say what the targets do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	MFA_SHIPPER_KERNEL_BUILD=off $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

$(READY): $(INSTALLED) deploy/kernel/hook.py $(CRATE)
	@$(BIN)/python deploy/kernel/hook.py
	@touch $@

kernel: $(INSTALLED) ## Build the compiled kernel, for example once cargo is there; the other targets do so when its sources change
	@MFA_SHIPPER_KERNEL_BUILD=require $(BIN)/python deploy/kernel/hook.py

kernel-check: $(INSTALLED) ## Format, lint and tests of the kernel's crate; left out where there is no cargo
	@if command -v cargo >/dev/null; then set -ex; cd $(KERNEL); \
		export CARGO_TARGET_DIR=$(CURDIR)/build/kernel PYO3_PYTHON=$(CURDIR)/$(BIN)/python; \
		cargo fmt --check; cargo clippy --quiet --all-targets -- -D warnings; cargo test --quiet; \
	else echo "kernel-check is left out: no cargo on the PATH"; fi

demo: $(READY) ## Set up .venv, parse an example log, show the double prompt in it
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh deploy/examples/demo.sh

PYTEST := -m pytest -n 4 --dist worksteal -q

test: $(if $(PYTHONS),$(PYTHONS:%=test-%),$(READY)) ## Run the tests but for those marked slow, or with PYTHONS="3.11 3.12 3.13" all of them on each of these
	$(if $(PYTHONS),,$(BIN)/python $(PYTEST) -m "not slow" $(TESTS))

slow-test: $(READY) ## Run the tests marked slow: kills, broken networks, hostile and very large files
	$(BIN)/python $(PYTEST) -m slow $(TESTS)

.PRECIOUS: .cache/python-%/.ready
.cache/python-%/.ready: pyproject.toml $(CRATE)
	PYENV_VERSION=$$(pyenv versions --bare 2>/dev/null | paste -sd:) python$* -m venv $(@D) # pyenv hides most of its versions
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

test-%: .cache/python-%/.ready
	$(<D)/bin/python $(PYTEST) $(TESTS)

coverage: $(READY) ## Run the tests of the pure folders, and fail where they leave a branch out
	@floor=; $(BIN)/python -m shipper --version | grep -qx 'kernel: compiled' || { floor=--cov-fail-under=0; \
		echo "branches may be left out: without the kernel, what uses it does not run"; }; \
	set -x; $(BIN)/python $(PYTEST) --cov --cov-report=term-missing $$floor tests/unit tests/test_golden.py

lint: $(READY) ## Format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 shipper

check: lint kernel-check coverage test slow-test ## Format and lint, types, coverage, all tests: what must pass before a commit

format: $(READY) ## Let ruff format and mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	if command -v cargo >/dev/null; then cd $(KERNEL) && cargo fmt; fi

bench: $(READY) ## Measure parse against a plain loop, and its stages, about 25 minutes
	$(BIN)/python -m tests.bench

bench-readers: $(READY) ## Measure that each reader takes time and memory in proportion, about 15 minutes
	$(BIN)/python -m tests.bench.readers

bench-sidecar: $(READY) ## Measure the sidecar into a real Kafka, OpenSearch and VictoriaLogs, about 20 minutes
	$(BIN)/python -m tests.bench.sidecar

bench-detect: $(READY) ## Measure detect on a real Kafka: throughput, memory, starts, delays, about 15 minutes
	$(BIN)/python -m tests.bench.detect

kafka: $(READY) ## Run a real Kafka on port 9092 to try the sidecar with (needs Java 17 and Maven)
	$(BIN)/python -m tests.support.kafka

TOPIC := mfa-events

kafka-consume: $(READY) ## Show what arrives in the topic mfa-events of that Kafka, or in TOPIC=mfa-alerts
	$(BIN)/python -m tests.support.kafka --consume $(TOPIC)

TWINS := 1-20
JUDGED := 1-10

chaos: $(READY) ## Kill, freeze and reload the sidecar, pairs with one identity, and detect, on a real Kafka, a file that others touch and servers over HTTP, and count, about 30 minutes; TWINS=1-100, JUDGED=1-50 for more
	$(BIN)/python -m tests.chaos.kill
	$(BIN)/python -m tests.chaos.twins $(TWINS)
	$(BIN)/python -m tests.chaos.judge $(JUDGED)
	$(BIN)/python -m tests.chaos.http 1-5 --into acknowledging
	$(BIN)/python -m tests.chaos.http 1-5 --into opensearch

mutants: $(READY) ## Change the rule line by line, and see that a test fails each time, an hour or two
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,mutants]'
	$(BIN)/python -m tests.mutants

fuzz: $(READY) ## Fuzz the parser with ten million lines and each reader, in sum with ten million records, about 50 minutes
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,fuzz]'
	$(BIN)/python tests/fuzz/fuzz_parse.py --lines 10000000
	$(BIN)/python tests/fuzz/fuzz_readers.py --records 10000000 --jobs 2

SPLUNK := .cache/splunk

$(READY)-deploy: $(READY) pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,deploy]'
	@touch $@

$(SPLUNK)/.ready: # an environment of its own: Splunk's tools pin versions that conflict with others
	$(PYTHON) -m venv $(SPLUNK)
	$(SPLUNK)/bin/python -m pip install --quiet --disable-pip-version-check splunk-appinspect==4.3.1 splunk-packaging-toolkit==1.2.8
	@touch $@

deploy-files: $(READY)-deploy ## Make the generated files of deploy/ and schemas/ anew
	$(BIN)/python -m deploy.generate

pictures: $(READY)-deploy ## Make the pictures for README, deploy/docs and the dashboards anew (needs Chromium)
	$(BIN)/python -m deploy.pictures

TOOLS := $(CURDIR)/.cache
SYSLOG_NG := $(TOOLS)/syslog-ng

deploy-tools: ## Install what the tests and deploy-check run: Debian packages, and programs made by Go (needs root and Go)
	apt-get update -qq
	apt-get install -qq --no-install-recommends prometheus rsyslog systemd openjdk-17-jdk-headless maven curl chromium fonts-liberation wine64 wine
	mkdir -p $(SYSLOG_NG)/archives/partial # unpacked only: as a package it would remove rsyslog
	apt-get install -qq --no-install-recommends --download-only -o Dir::Cache::archives="$(SYSLOG_NG)/archives" syslog-ng-core
	for package in $(SYSLOG_NG)/archives/*.deb; do dpkg -x "$$package" $(SYSLOG_NG); done
	test -x $(TOOLS)/go/bin/telegraf || GOBIN=$(TOOLS)/go/bin CGO_ENABLED=0 go install \
		-tags custom,inputs.execd,outputs.file,parsers.json_v2,serializers.json github.com/influxdata/telegraf/cmd/telegraf@v1.30.0
	test -x $(TOOLS)/go/bin/victoria-logs || GOBIN=$(TOOLS)/go/bin go install github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs@v1.52.1

container-tools: ## Install what container-check runs: Debian packages, and programs made by Go (needs root and Go)
	apt-get update -qq
	apt-get install -qq --no-install-recommends buildah debootstrap
	test -x $(TOOLS)/go/bin/helm || GOBIN=$(TOOLS)/go/bin CGO_ENABLED=0 go install helm.sh/helm/v3/cmd/helm@v3.22.0
	test -x $(TOOLS)/go/bin/kube-score || GOBIN=$(TOOLS)/go/bin CGO_ENABLED=0 go install github.com/zegl/kube-score/cmd/kube-score@v1.20.0
	test -x $(TOOLS)/go/bin/compose-go || (GOBIN=$(TOOLS)/go CGO_ENABLED=0 go install github.com/compose-spec/compose-go/v2/cmd@v2.16.2 \
		&& mv $(TOOLS)/go/cmd $(TOOLS)/go/bin/compose-go)

$(READY)-wheels: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,wheels]'
	@touch $@

wheels: $(READY)-wheels ## Make the wheels in dist/, pure, for Linux and for Windows, and run each, about 5 minutes (needs rustup, Wine and Maven)
	$(BIN)/python -m deploy.kernel.wheels

windows-exe: $(READY) ## Make the program for Windows, dist/mfa-shipper-*-windows-x64.zip, about 3 minutes (needs Wine and Maven)
	$(BIN)/python -m deploy.windows.build

windows: $(READY) ## Make a Windows to test on in .cache/windows: Wine's prefix, CPython, wheels (needs Wine and Maven)
	$(BIN)/python -m tests.support.windows

windows-check: $(READY) ## Run programs and tests with Python for Windows under Wine: a selection, about 6 minutes; ALL=1 for all that can run there
	$(BIN)/python -m tests.windows_check $(if $(ALL),--all)

deploy-check: $(READY)-deploy $(SPLUNK)/.ready ## Check what deploy/ holds with the vendors' tools, a real OpenSearch among them
	$(BIN)/python -m pytest -n 2 --dist loadfile -q tests/deploy tests/pages tests/outputs tests/packaging

EXTRAS := fast

image: $(READY) ## Build the container image without Docker, dist/mfa-shipper-*-image.tar; EXTRAS=detect, BASE=IMAGE (needs root, buildah and debootstrap)
	$(BIN)/python -m deploy.docker.build --extras $(EXTRAS) $(if $(BASE),--base $(BASE))

$(READY)-container: $(READY) pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,container]'
	@touch $@

container-check: $(READY)-container ## Build the images and run them, check the chart for Kubernetes and run its pods, about 5 minutes
	$(BIN)/python -m pytest -q tests/container

LOCK := $(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-annotate --no-header --python-version 3.13 --python-platform linux
LOCKS := deploy/docker/requirements

image-locks: $(READY)-container ## Pin the newest Python packages for the container images
	$(LOCK) --extra fast --extra detect pyproject.toml --output-file $(LOCKS)/detect.txt
	$(LOCK) --extra fast --constraint $(LOCKS)/detect.txt pyproject.toml --output-file $(LOCKS)/fast.txt
	$(LOCK) --extra fast --extra report --extra evtx --constraint $(LOCKS)/detect.txt pyproject.toml --output-file $(LOCKS)/report.txt
	$(LOCK) $(LOCKS)/build.in --output-file $(LOCKS)/build.txt

clean: ## Remove .venv and all caches
	rm -rf $(VENV) .cache mutants .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build *.egg-info
	rm -f shipper/decode/_kernel.*[!i]
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
