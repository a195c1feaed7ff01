# Two commands do everything: `make run` serves the messaging project, `make test` checks and tests.
#   make run PORT=8000             another port
#   make run PROJECT=folder        where the project's files are (made from the template when missing)
#   make run HOME_DIR=folder       where the server keeps its data
#   make run DATA=messages.ndjson  load a file (.gz, .zst too) instead of sample messages

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CLIENTS := .venv-clients
PORT ?= 7181
PROJECT ?= messaging
HOME_DIR ?= stonechat-data
DATA ?= sample
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --no-deps

.PHONY: run test test-clients test-crashes fuzz check bench format lock clean

run: $(VENV)/.run
	@test -d "$(PROJECT)" || $(BIN)/stonechat init --template messaging "$(PROJECT)"
	@exec $(BIN)/stonechat dev "$(PROJECT)" --port "$(PORT)" --home "$(HOME_DIR)" --load "messages=$(DATA)"

# One worker more than there are cores: some tests wait for a while.
test: check
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder

# The unmodified clients of others (`tb`, the SDKs), installed into a folder of their own, against a server.
test-clients: $(VENV)/.dev $(CLIENTS)/ready
	$(BIN)/pytest tests/clients

# The longer proof: two hundred kills under load, and many sequences of deployments.
test-crashes: $(VENV)/.dev
	STONECHAT_CRASH_CYCLES=200 STONECHAT_POWER_CUTS=50 STONECHAT_DEPLOYMENT_KILLS=0 STONECHAT_CHANGE_SEQUENCES=50 $(BIN)/pytest \
		tests/system/test_crashes.py tests/system/test_deployment_crashes.py tests/system/test_contents_crashes.py \
		tests/system/test_job_crashes.py tests/jobs/test_copy_crashes.py \
		tests/ingest/test_crashes.py tests/ingest/test_segment_writing.py \
		tests/system/test_random_deployments.py tests/deploy/test_random_changes.py

# Random inputs for whatever reads text or bytes, about ten minutes on two cores; tests/fuzz/running.py says how to run
# fewer of them, or one again. And more examples of the properties that `make test` tries a few of.
PROPERTIES := tests/sql/test_fencing.py tests/http/test_hidden_rows.py tests/ingest/test_inference.py \
	tests/ingest/test_verdicts_hold.py tests/query/test_planned_calls.py
fuzz: $(VENV)/.dev
	STONECHAT_EXAMPLES=1000 $(BIN)/pytest tests/fuzz $(PROPERTIES) -o python_files="fuzz_*.py" --timeout 1800 -n 2 --dist load $(FUZZ)

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev
	$(BIN)/python -m bench

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Compiles the locks again; needs uv. They carry hashes and no addresses.
lock:
	uv pip compile pyproject.toml --group build --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command "make lock" -o requirements/run.txt
	uv pip compile pyproject.toml --group build --group dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command "make lock" -o requirements/dev.txt
	for name in requirements requirements-python-sdk; do uv pip compile tests/clients/$$name.in --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command "make lock" -o tests/clients/$$name.txt; done
	cd tests/clients/typescript && npm install --package-lock-only --omit-lockfile-registry-resolved --ignore-scripts --no-audit --no-fund

clean:
	rm -rf $(VENV) $(CLIENTS)

# Built again when what is compiled has changed.
$(VENV)/.run: requirements/run.txt pyproject.toml hatch_build.py $(wildcard src/stonechat/ingest/bulk/native/*.[ch])
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing stonechat into $(VENV) ..."
	@$(PIP) --require-hashes -r requirements/run.txt
	@$(PIP) --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.run
	@$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

$(CLIENTS)/ready: tests/clients/requirements.txt tests/clients/requirements-python-sdk.txt tests/clients/typescript/package-lock.json
	@echo "Installing the clients into $(CLIENTS) ..."
	@mkdir -p $(CLIENTS)/node
	@test -x $(CLIENTS)/tb/bin/python || $(PYTHON) -m venv $(CLIENTS)/tb
	@$(CLIENTS)/tb/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r tests/clients/requirements.txt
	@test -x $(CLIENTS)/python-sdk/bin/python || $(PYTHON) -m venv $(CLIENTS)/python-sdk
	@$(CLIENTS)/python-sdk/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r tests/clients/requirements-python-sdk.txt
	@cp tests/clients/typescript/package.json tests/clients/typescript/package-lock.json $(CLIENTS)/node/
	@if command -v npm >/dev/null; then cd $(CLIENTS)/node && npm ci --ignore-scripts --no-audit --no-fund --silent; fi
	@touch $@
