# What a developer types daily; `make help` lists it. Only Python >= 3.11 and make are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
SCENARIO ?= all
SEED ?= 1
MINUTES ?= 30
MESSAGES ?= 10000000
SECONDS ?= 60

.DEFAULT_GOAL := help
.PHONY: help demo try screenshots test test-all lint format bench up lock clean chaos soak marathon audit sbom fuzz

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/.runtime: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12"; exit 1; }
	@echo "Setting up $(VENV) (once) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install --require-hashes -r requirements.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.runtime
	@echo "Adding the development tools ..."
	@$(PIP) install --require-hashes -r requirements-dev.txt
	@touch $@

demo: $(VENV)/.runtime ## a campaign of 10,000 messages against the simulated provider
	@$(BIN)/dispatcher demo

try: $(VENV)/.runtime ## click through a campaign in a browser, without a key: everything against the simulator
	@$(BIN)/dispatcher up --simulated

up: $(VENV)/.runtime ## the workers, beat, Flower and the listeners in the foreground
	@$(BIN)/dispatcher up

test: $(VENV)/.dev ## every test but the slow ones
	@$(BIN)/python -m pytest -n 4 --dist loadfile

test-all: $(VENV)/.dev ## the slow ones too
	@$(BIN)/python -m pytest -n 4 --dist loadfile -m ''

lint: $(VENV)/.dev ## ruff, mypy --strict and the import contract
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/.dev ## let ruff put the code in form
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: docs
docs: $(VENV)/.runtime ## write docs/settings.md, docs/openapi.json and the problems of docs/api.md from the code
	@$(BIN)/python -m ops.settings_page
	@$(BIN)/python -m ops.api_pages

screenshots: $(VENV)/.dev ## take the pictures of the README anew, in Chromium
	@$(BIN)/python -m tests.screenshots

bench: $(VENV)/.dev ## figures side by side with the limit; takes minutes
	@$(BIN)/python -m ops.bench

chaos: $(VENV)/.dev ## the proof under fire: SCENARIO=name SEED=n, by default all; takes three quarters of an hour
	@$(BIN)/python -m ops.chaos $(SCENARIO) --seed $(SEED)

soak: $(VENV)/.dev ## a steady rate for MINUTES=30: memory, connections, queues
	@$(BIN)/python -m ops.chaos.soak --minutes $(MINUTES)

marathon: $(VENV)/.dev ## MESSAGES=10000000 as fast as they go, under mixed faults
	@$(BIN)/python -m ops.chaos.soak --messages $(MESSAGES) --seed $(SEED)

COMPILE := .tools/bin/pip-compile -q --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	--no-emit-options --strip-extras --allow-unsafe --no-header

lock: .tools/.ready ## pin requirements.txt, requirements-dev.txt, the image's and the tools' again
	@$(COMPILE) -o requirements-dev.txt pyproject.toml requirements-embedded.in requirements-sentry.in \
		requirements-dev.in
	@$(COMPILE) -c requirements-dev.txt -o requirements.txt pyproject.toml requirements-embedded.in
	@$(COMPILE) -c requirements-dev.txt -o ops/image/requirements.txt pyproject.toml requirements-sentry.in
	@$(COMPILE) -o requirements-tools.txt requirements-tools.in

fuzz: $(VENV)/.dev ## SECONDS=60 of hostile input for each reader, TARGET=name for one; led by coverage where atheris runs
	@test -d .fuzz || $(PIP) install --target .fuzz atheris || \
		echo "atheris does not run here: inputs are mutations of the corpus."
	@PYTHONPATH=.fuzz $(BIN)/python -m tests.fuzz $(TARGET) --seconds $(SECONDS)

.tools/.ready: requirements-tools.txt
	@$(PYTHON) -m venv --clear .tools && .tools/bin/pip --quiet install --require-hashes -r requirements-tools.txt
	@touch $@

audit: $(VENV)/.runtime .tools/.ready ## known vulnerabilities of the pinned packages; asks a database on the internet
	@$(BIN)/python -m ops.audit .tools/bin/pip-audit requirements.txt

sbom: $(VENV)/.runtime .tools/.ready ## sbom.json: a CycloneDX list of the packages in the image, with versions and hashes
	@.tools/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --of JSON -o sbom.json \
		ops/image/requirements.txt
	@echo "Wrote sbom.json"

clean: ## what git ignores
	@git clean -fdX
