# Every command of the project. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Settings come from the environment or the command line (DATA_DIR=/tmp/x make demo), or else from .env, which the programs read.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
BIN := .venv/bin
PLATFORM := $(BIN)/python -m ingestion_platform

RUNTIME := .venv/.runtime
DEV := .venv/.dev
INFRA := .venv/.infra
MANIFEST := dbt_models/target/manifest.json

##@ Start here
help: ## List the commands
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(RUNTIME) $(MANIFEST) ## Create .venv from the lock file and prepare dbt (skipped when nothing changed)

demo: setup ## Seven days of history and 5,000 live hits through the whole platform
	@$(PLATFORM) demo

dashboard: setup ## Open the page of what is published: sales, traffic, data quality, publications (prints where it is)
	@$(PLATFORM) dashboard

dev: setup ## Open the Dagster UI on the data of DATA_DIR (port DAGSTER_PORT, 3000)
	@$(PLATFORM) dev

##@ Run the parts
collect: setup ## Serve /collect on 127.0.0.1 (port COLLECTOR_PORT, 8080), deliver to DATA_DIR/archive, show the last hits on /live (LIVE=no: do not)
	@$(BIN)/python -m collector serve $(if $(filter no,$(LIVE)),,--live)

pump: setup ## Send Coveo (DATA_FOLDER) or generated traffic to COLLECT_URL until N_EVENTS (PROTOCOLS="v1=0.6,ga4=0.2,ga4_mp=0.1,segment=0.1")
	@$(BIN)/python -m simulations pump

simulate: setup ## Write past days of traffic into the archive: FROM=2026-01-01 TO=2026-01-07 (PROTOCOLS as above)
	@$(BIN)/python -m simulations history --from "$(FROM)" --to "$(TO)"

plan: setup ## Say what a replay would do, and how long it takes: FROM=2026-01-01 TO=2026-01-07; changes nothing
	@$(PLATFORM) plan --from "$(FROM)" --to "$(TO)"

replay: setup ## Rebuild a range of dates from the archive: FROM=2026-01-01 TO=2026-01-07 (both inclusive); REMOVE="key ..." names objects that are gone on purpose
	@$(PLATFORM) replay --from "$(FROM)" --to "$(TO)" --remove $(REMOVE)

publish: setup ## Publish what a run held for you: AUDIT=id (the newest), FROM= TO= for some of its dates
	@$(PLATFORM) publish --audit "$(AUDIT)" --from "$(FROM)" --to "$(TO)"

discard: setup ## Forget what a run held: AUDIT=id (the newest), FROM= TO= for some of its dates
	@$(PLATFORM) discard --audit "$(AUDIT)" --from "$(FROM)" --to "$(TO)"

rollback: setup ## Take a publication back, as a publication of its own: PUBLICATION=number (the newest)
	@$(PLATFORM) rollback --publication "$(PUBLICATION)"

recollect: setup ## Apply today's rules of the collector to what is archived: FROM=2026-01-01 TO=2026-01-07 (of arrival); REASON="..." PROTOCOL="..." choose, DRY=1 counts only
	@$(PLATFORM) recollect --from "$(FROM)" --to "$(TO)" --reason $(REASON) --protocol $(PROTOCOL) $(if $(DRY),--dry)

upgrade: setup ## Rebuild the data of version 0.1 from the archive, once; its warehouse is kept aside (REMOVE="key ..." as above)
	@$(PLATFORM) upgrade --remove $(REMOVE)

status: setup ## One screen: how each date stands, what waits and what is wrong (DAYS=14 newest)
	@$(PLATFORM) status --days "$(or $(DAYS),14)"

docs: setup ## Serve these pages and dbt's documentation of every column on 127.0.0.1 (port DOCS_PORT, 3080)
	@$(PLATFORM) docs

doctor: setup ## Check settings, archive, warehouse and credentials; say what is missing
	@$(PLATFORM) doctor

##@ Develop
test: $(DEV) $(MANIFEST) ## Run the tests (PYTEST_ARGS=... to choose)
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

test-dates: $(DEV) $(MANIFEST) ## Run the tests that depend on the date, under several clocks
	@$(BIN)/python -m pytest -n 2 --every-clock $(PYTEST_ARGS)

test-browser: $(DEV) $(MANIFEST) ## Run the tests that need Debian's chromium (and node)
	@$(BIN)/python -m pytest -m browser $(PYTEST_ARGS)

test-infra: types-infra ## Type-check the Pulumi program and run its tests
	@$(BIN)/python -m pytest -m infra $(PYTEST_ARGS)

types-infra: $(INFRA)
	@MYPYPATH=infra:tests/infra:tests/emulators:tests/clock $(BIN)/mypy --cache-dir .mypy_cache/infra --follow-imports=silent infra/__main__.py infra/cost.py infra/ingestion_path tests/infra tests/emulators/firehose.py

# A network of its own: the services have their own ports, whatever else runs on the machine.
test-containers: $(DEV) ## Build deploy/ and run it in containers (Linux, root; ten minutes at first, then five to eight)
	@bash tests/containers/build_images
	@unshare --net sh -c 'ip link set lo up && exec $(BIN)/python -m pytest -m container tests/containers $(PYTEST_ARGS)'

mutations: $(DEV) $(MANIFEST) ## Plant every known defect in the models and print which check stops it
	@MUTATIONS=all $(BIN)/python -m pytest -n 0 -s -q tests/mutations $(PYTEST_ARGS)

infra-cost: $(INFRA) ## Estimate what a stack costs: STACK=production HITS=1000000 (a day) BATCH=1 (hits a request)
	@$(BIN)/python infra/cost.py --stack "$(or $(STACK),production)" --hits "$(or $(HITS),1000000)" --batch "$(or $(BATCH),1)"

lint: lint-code lint-types lint-sql ## Lint and type-check

lint-code: $(DEV)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

lint-types: $(DEV)
	@mkdir -p build/typing && ln -sfn ../../platform build/typing/ingestion_platform
	@MYPYPATH=build/typing $(BIN)/mypy

lint-sql: $(DEV)
	@cd dbt_models && ../$(BIN)/sqlfluff lint models --disable-progress-bar

bench: $(DEV) $(MANIFEST) ## Print the benchmarks (about seven minutes)
	@$(BIN)/python -m benchmarks

bench-full: $(DEV) $(MANIFEST) ## The same at up to 36 million hits (80 minutes idle, 40 GB of disk)
	@$(BIN)/python -m benchmarks --full

bench-check: $(DEV) $(MANIFEST) ## Run the benchmarks and say which ratios moved since the last committed results
	@$(BIN)/python -m benchmarks --check

lock: ## Resolve the dependencies anew (needs uv)
	bash requirements/resolve

clean: ## Remove DATA_DIR (asks first), build outputs and caches; the .venv stays
	@if [ -x $(BIN)/python ]; then dir="$$($(PLATFORM) data-dir)"; \
	elif [ -n "$${DATA_DIR-}" ] || [ ! -e .env ]; then dir="$${DATA_DIR:-./data}"; \
	else echo "clean: .env may name another DATA_DIR, and without .venv nothing reads it: make setup, or make clean DATA_DIR=..." >&2; exit 1; fi; \
	if [ -d "$$dir" ]; then \
		whole="$$(cd "$$dir" && pwd -P)"; \
		for kept in "$$(pwd -P)" "$$HOME"; do case "$$kept/" in "$${whole%/}/"*) echo "clean: $$dir holds $$kept: nothing was removed" >&2; exit 1;; esac; done; \
		if [ -z "$(YES)" ]; then read -r -p "Delete $$dir, archive included? [y/N] " a; [ "$$a" = y ]; fi; \
		rm -rf -- "$$dir"; \
	fi
	@rm -rf build dist dbt_models/target dbt_models/logs .pytest_cache .mypy_cache .ruff_cache *.egg-info

# Set-up steps, run by the commands above.
.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed and none was found on PATH"; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { echo "$(PYTHON) is not Python 3.11 to 3.13; say PYTHON=/path/to/python3.11"; exit 1; }
	@"$(PYTHON)" -m venv .venv

# One lock a set; a stamp is touched when its lock is installed, so that set-up is skipped when nothing changed.
.venv/.%: requirements/%.lock pyproject.toml | .venv/bin/python
	@echo "Installing $< into .venv (the first time takes a minute or two)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes --no-deps -r $<
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@ $(if $(findstring runtime,$@),,$(RUNTIME))

# Dagster reads the dbt project through this file; building it here keeps imports free of subprocesses. Beside it: the dashboard's charts.
$(MANIFEST): $(RUNTIME) platform/column_lineage.py platform/commands/prepare.py $(addprefix platform/dashboard/,charts.py drawing.py shared.py) $(shell find dbt_models -not -path '*/target/*' -not -path '*/logs/*' -type f 2>/dev/null)
	@$(PLATFORM) prepare
	@touch $@

.PHONY: help setup demo dashboard dev collect pump simulate plan replay recollect publish discard rollback upgrade status docs doctor test test-dates test-browser test-infra infra-cost test-containers mutations lint bench bench-full bench-check lock clean
# Parts of commands, which CI runs side by side.
.PHONY: lint-code lint-types lint-sql types-infra
