.DEFAULT_GOAL := help
.PHONY: help demo test check pythons conformance papers papers-full chart crds settings dashboards lock docs golden e2e e2e-down
PYTHON ?= python3
UV := .tools/bin/uv
BIN := .venv/bin
UV_FLAGS := --quiet --python .venv
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-emit-package wattline
SHIM := .build/lib/libnvidia-ml.so.1
# What tests and demo start are hundreds of processes: each reads compiled modules, whatever the environment says of them.
export PYTHONDONTWRITEBYTECODE :=
export PYTHONPYCACHEPREFIX := $(CURDIR)/.build/pycache
# Debian ships ensurepip apart; say so in one line instead of a traceback.
NEEDS = $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "missing: Python 3.11 or newer (PYTHON=... to name another)"; exit 1; }; \
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "missing: python3-venv (apt install python3-venv)"; exit 1; }; \
	command -v $${CC:-cc} >/dev/null || { echo "missing: a C compiler (apt install gcc)"; exit 1; }

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

demo: .venv/ready $(SHIM) ## agents, gateway, node agents and simulated GPUs on this machine, three passes
	@$(BIN)/wattline demo $(DEMO)

test: .venv/ready $(SHIM) ## unit, integration and golden tests
	@$(BIN)/pytest -n 4 --dist worksteal $(TEST)

check: .venv/ready $(SHIM) ## format, lint, types, import contracts, generated files, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/wattline crds --check crds
	$(BIN)/wattline crds --check charts/wattline/files/crds
	$(BIN)/python -m wattline_agent.settings_reference docs/reference/agent-settings.md --check
	$(BIN)/python -m wattline.fake.nvml header --check
	$(BIN)/python -W ignore::DeprecationWarning -m dashboards --check
	@$(MAKE) --no-print-directory test

conformance: .venv/ready $(SHIM) ## faults, hangs and kills against the node agent without hardware; FULL=1: all of them
	@$(BIN)/python -W error -m conformance --virtual conformance.ours:Inside $(if $(FULL),--full) $(CONFORMANCE)

pythons: .venv/ready ## other versions of Python at hand simulate the same bytes as this one
	@$(BIN)/python bench/pythons.py

papers: .venv/ready ## every paper's claims beside ours, reduced where no full result of this code is kept (20 minutes on two cores); FORM=ci: five
	@$(BIN)/python -m bench.papers --form $(or $(FORM),reduced) --page $(if $(filter ci,$(FORM)),.build/papers.md,docs/reference/papers.md) $(PAPERS)

papers-full: .venv/ready ## the same in full: hours; goes on where it was interrupted
	@$(BIN)/python -m bench.papers --form full --page docs/reference/papers.md $(PAPERS)

crds: .venv/ready ## write the custom resource definitions and their reference from the models
	$(BIN)/wattline crds crds --reference docs/reference/api.md
	$(BIN)/wattline crds charts/wattline/files/crds

settings: .venv/ready ## write the reference of the node agent's settings
	$(BIN)/python -m wattline_agent.settings_reference docs/reference/agent-settings.md

e2e: .venv/ready $(SHIM) ## end-to-end tests on a real Kubernetes (root, Go, Debian packages: e2e/requirements.sh)
	@PYTHONPATH=e2e $(BIN)/python -m harness test $(E2E)

e2e-down: .venv/ready ## take away a cluster that an interrupted run left behind
	@PYTHONPATH=e2e $(BIN)/python -m harness down

dashboards: .venv/ready ## write the Grafana dashboards and the metrics reference
	$(BIN)/python -W ignore::DeprecationWarning -m dashboards

chart: .venv/ready ## lint and render the Helm chart and judge its objects (helm, or Go to build it once)
	$(BIN)/wattline crds --check charts/wattline/files/crds
	@HELM=$${HELM:-$$(command -v helm || PYTHONPATH=e2e $(BIN)/python -m harness build helm | tail -n 1)} $(BIN)/pytest -n 2 tests/unit/chart

lock: $(UV) ## renew requirements/*.txt (needs a network)
	$(COMPILE) requirements/dev.in operator/pyproject.toml node-agent/pyproject.toml \
		--extra cli --extra gateway --extra operator --extra workflow --extra kube --extra fake --extra sim -o requirements/dev.txt
	$(COMPILE) operator/pyproject.toml --extra gateway --extra operator --extra workflow -c requirements/dev.txt -o requirements/operator.txt
	$(COMPILE) operator/pyproject.toml node-agent/pyproject.toml -c requirements/dev.txt -o requirements/node-agent.txt
	$(COMPILE) requirements/build.in -c requirements/dev.txt -o requirements/build.txt

.venv/ready: operator/pyproject.toml node-agent/pyproject.toml requirements/dev.txt | $(UV)
	@echo "Setting up (first run only): virtual environment"
	@$(UV) venv --quiet --allow-existing --python $$(command -v $(PYTHON)) .venv
	@$(UV) pip sync $(UV_FLAGS) --require-hashes requirements/dev.txt
	@$(UV) pip install $(UV_FLAGS) --no-deps --no-build-isolation -e operator -e node-agent
	@touch $@

$(SHIM): $(wildcard operator/src/wattline/fake/nvml/*.[ch]) | .venv/ready
	@echo "Setting up (first run only): fake GPU driver library"
	@$(BIN)/python -m wattline.fake.nvml build $(@D) --cc "$(CC)"

$(UV):
	@$(NEEDS)
	@$(PYTHON) -m venv .tools && .tools/bin/pip install --quiet --disable-pip-version-check 'uv==0.13.*'
