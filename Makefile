# clearcall: `make demo` sharpens a call, `make test` runs the whole suite.
PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test lint check wheel clean

demo: $(VENV)/.runtime
	$(VENV)/bin/clearcall demo --force

test: $(VENV)/.dev
	$(VENV)/bin/python -m pytest

lint: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

check: lint test

wheel: $(VENV)/.dev
	$(VENV)/bin/python -m build --wheel

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "clearcall needs Python 3.11 or newer; name one with: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Installing clearcall into $(VENV) (a minute or two, once) ..."
	$(PIP) -e .
	@touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Installing clearcall, the train extra and the test tools into $(VENV) (a few minutes, once) ..."
	$(PIP) -e '.[train,dev]'
	@touch $@ $(VENV)/.runtime

clean:
	rm -rf $(VENV) dist build clearcall-demo .pytest_cache .ruff_cache
