# clearcall: `make demo` sharpens a call, `make test` runs the whole suite.
PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

PAGE := src/clearcall/web/static/index.html
PAGE_SOURCES := $(shell find web/src web/public -type f) web/build.mjs web/package-lock.json

.PHONY: demo test test-web lint check web wheel clean chromium npm

# A program that the tests of the page need: there already, or from Debian's packages where we may install them.
define debian
@command -v $(1) >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	echo "Installing $(3) for the page ..." && apt-get -qq update && apt-get -qq install -y $(2) >/dev/null; } || \
	{ echo "The page and its tests need $(3): please install it (Debian: apt-get install $(2))"; exit 1; }
endef

demo: $(VENV)/.runtime
	$(VENV)/bin/clearcall demo --force

test: $(VENV)/.dev test-web
	$(VENV)/bin/python -m pytest

test-web: $(PAGE) chromium
	cd web && npm run --silent check && npm test --silent

chromium: ; $(call debian,chromium,chromium,Chromium)
npm: ; $(call debian,npm,npm,Node.js 20 or newer with npm)

web: $(PAGE)

lint: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

check: lint test

wheel: $(VENV)/.dev $(PAGE)
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

$(PAGE): web/node_modules/.installed $(PAGE_SOURCES)
	cd web && npm run --silent build

web/node_modules/.installed: web/package.json web/package-lock.json | npm
	cd web && npm ci --silent
	@touch $@

clean:
	rm -rf src/clearcall/web/static web/node_modules web/build tests/live/page/screenshots
	rm -rf $(VENV) dist build clearcall-demo .pytest_cache .ruff_cache
