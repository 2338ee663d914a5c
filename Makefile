# Needs Python 3.11 or newer with venv and pip, and make. `make PYTHON=python3.12 …` picks another Python.
PYTHON ?= python3
# Only `make lock` uses it, in an environment of its own.
UV := uv==0.13.9

BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input
CODE := pathway persistence scheduler coordinator
# How both locks are written. That of the benchmarks names only what requirements.lock does not.
LOCKED = --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	--custom-compile-command "make lock" --quiet $(UPGRADE)

.DEFAULT_GOAL := help
.PHONY: help .venv demo test lint types pytest endurance format bench bench-screens docs text pictures lock clean python

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z.-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

.venv: .venv/.installed ## Make .venv with the locked dependencies and the project

# A changed lock makes a fresh environment, so that nothing unlocked stays behind.
.venv/.locked: requirements.lock
	@$(MAKE) --no-print-directory python
	@echo "Installing what requirements.lock names into .venv ..."
	@$(PYTHON) -m venv --clear .venv
	@$(PIP) install --require-hashes -r requirements.lock
	@touch $@

.venv/.installed: .venv/.locked pyproject.toml
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

# Both locks, so that nothing is installed that neither names.
.venv/.bench: benchmarks/requirements.lock .venv/.installed
	@echo "Installing what benchmarks/requirements.lock names into .venv ..."
	@$(PIP) install --require-hashes -r requirements.lock -r benchmarks/requirements.lock
	@touch $@

demo: .venv/.installed ## Run the engine on made-up patients
	@$(BIN)/pathway demo

test: lint types pytest ## Check format, lint and types, and run every test

lint: .venv/.installed ## Check format and lint
	$(BIN)/ruff format --check
	$(BIN)/ruff check

types: .venv/.installed ## Check types
	$(BIN)/mypy

pytest: .venv/.installed ## Run every test
	$(BIN)/pytest -n auto

endurance: .venv/.installed ## Kill three workers a hundred times over 20 000 timers and messages (an hour at most)
	PATHWAY_ENDURANCE=full $(BIN)/pytest -n 0 -s tests/scheduler/test_endurance.py

format: .venv/.installed ## Put the code in the common format
	$(BIN)/ruff check --fix-only --quiet
	$(BIN)/ruff format

bench: .venv/.bench ## Measure every workload against a baseline in the same run (BENCH=--smoke: as small as can be)
	$(BIN)/python -m benchmarks $(BENCH)

bench-screens: .venv/.installed ## Measure the screens at 50 000 episodes against 5 000 in the same run
	$(BIN)/python -m benchmarks.screens

docs: .venv/.installed ## Write the list of commands and the pages and picture of docs/ that the program makes itself
	$(BIN)/python -m coordinator.commands_page > docs/commands.md
	$(BIN)/python -m coordinator.commands_page --list > .commands.json
	@mv .commands.json coordinator/data/commands.json
	$(BIN)/python -m coordinator.export.dictionary > docs/data-dictionary.md
	@rm -f demo-picture.db*
	$(BIN)/pathway --database sqlite:///demo-picture.db --now 2026-03-16T07:30 demo --svg docs/demo.svg > /dev/null
	@rm -f demo-picture.db*

text: .venv/.installed ## Collect what is marked for translation into coordinator/web/locale/pathway.pot
	@mkdir -p coordinator/web/locale
	$(BIN)/python -m tests.web.catalogue > coordinator/web/locale/pathway.pot

pictures: .venv/.installed ## Photograph the screens over the demo cohort into docs/pictures (needs chromium)
	$(BIN)/python -m tests.browser.pictures

lock: python ## Write both requirements.lock anew from pyproject.toml (UPGRADE=--upgrade for newer versions)
	@$(PYTHON) -m venv --clear .venv-lock
	@.venv-lock/bin/python -m pip --quiet --disable-pip-version-check install $(UV)
	@.venv-lock/bin/uv pip compile pyproject.toml --extra dev $(LOCKED) --output-file requirements.lock
	@.venv-lock/bin/uv pip compile pyproject.toml --extra bench $(LOCKED) --output-file benchmarks/requirements.lock \
		--constraint requirements.lock $$(sed -n 's/^\([a-z0-9.-]*\)==.*/--no-emit-package \1/p' requirements.lock | sort -u)
	@rm -rf .venv-lock

clean: ## Remove the environment, the caches and what was built
	rm -rf .venv .venv-lock build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find $(CODE) tests -name __pycache__ -type d -prune -exec rm -rf {} +

python:
	@command -v $(PYTHON) >/dev/null || \
		{ echo "Python 3.11 or newer is needed, and there is no $(PYTHON) here." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed, and $(PYTHON) is older: name another with 'make PYTHON=python3.12'." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "This Python lacks venv: on Debian or Ubuntu, 'apt-get install python3-venv' brings it." >&2; exit 1; }
