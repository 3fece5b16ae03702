# Everything below needs Python 3.11 or later and make; what else is needed, setup installs into .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup up check test bench docs lock

setup: .venv/ready

.venv/ready: pyproject.toml uv.lock
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	VIRTUAL_ENV=.venv $(BIN)/uv sync --quiet --frozen --active
	touch $@

up: setup
	$(BIN)/penstock up

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check
	$(BIN)/pytest

bench: setup
	$(BIN)/python -m bench

docs: setup
	$(BIN)/penstock components --markdown > docs/components.md

lock:
	$(BIN)/uv lock
