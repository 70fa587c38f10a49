# Two commands do everything on a fresh machine: `make demo` and `make test`.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
.DEFAULT_GOAL := help

.PHONY: help
help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(VENV)/.ready: requirements/dev.txt pyproject.toml
	@bash e2e/bootstrap.sh "$(PYTHON)" "$(VENV)"
	@touch $@

.PHONY: venv
venv: $(VENV)/.ready  ## The development environment, from the lock file

.PHONY: check
check: venv  ## Format, lint, types, import contracts, generated files, unit tests (under a minute)
	@$(PY) -m e2e.suite check

.PHONY: test
test: venv  ## All tests: unit, property, integration, and e2e on a real cluster
	@$(PY) -m e2e.suite test

.PHONY: demo
demo: venv  ## The whole loop on a year of real flights: drift, retraining, a canary that wins, one that goes back
	@$(PY) -m e2e.install && $(PY) -m e2e.story

.PHONY: demo-short
demo-short: venv  ## Train, register and serve a model on real flights, and compare its answers with the truth
	@$(PY) -m e2e.install && $(PY) -m e2e.demo

.PHONY: demo-clean
demo-clean: venv  ## Remove what the demo made; cluster and operator stay
	@$(PY) -m e2e.demo clean

.PHONY: cluster
cluster: venv  ## A Kubernetes cluster to work on: yours (PINTLE_KUBECONFIG), kind, or built from source
	@$(PY) -m e2e.cluster up

.PHONY: cluster-down
cluster-down: venv  ## Remove the cluster and everything it left on this machine
	@$(PY) -m e2e.cluster down

.PHONY: install
install: cluster  ## Build the images and install Pintle on the cluster with Helm
	@$(PY) -m e2e.install

.PHONY: generate
generate: venv  ## Regenerate CRDs, chart copies and reference pages from operator/pintle/api
	@$(PY) -m pintle.api.generate

.PHONY: soak
soak: venv  ## What takes longer than `make test` allows; reports go to docs/soak
	@$(PY) -m e2e.suite soak

.PHONY: guards
guards: venv  ## Disable each guarded line in turn and see its e2e test fail
	@$(PY) -m e2e.guards

.PHONY: lock
lock: venv  ## Refresh the lock files (versions and hashes)
	@$(PY) -m e2e.lock

bench-%: venv  ## Figures: make bench-NAME, JSON=FILE writes them as JSON
	@PYTHONPATH=. $(PY) bench/$* $(if $(JSON),--json $(JSON))

.PHONY: clean
clean:  ## Remove the development environment and tool caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
