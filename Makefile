# Two commands do all set-up on a fresh machine with git, make and Python 3.11+: `make up` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PORT ?= 8321
export OMP_NUM_THREADS ?= 1
unexport PYTHONDONTWRITEBYTECODE  # or every process that a test starts would compile the package again

.PHONY: up test check lint types contracts bench docs clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[triage]'
	touch $@

$(VENV)/.installed-test: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@ $(VENV)/.installed

up: $(VENV)/.installed  ## install, pull the encoder, fit the sample tasks, serve them (Ctrl-C stops)
	$(BIN)/rightsized demo --port $(PORT)

test: $(VENV)/.installed-test  ## install the test extras and pass all tests
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-test
	$(BIN)/mypy

contracts: $(VENV)/.installed-test
	$(BIN)/lint-imports --no-logo

check: lint types contracts test  ## what CI runs

bench: $(VENV)/.installed-test  ## every benchmark; hours. One: python -m benchmarks.NAME --json
	for name in $$(cd benchmarks && grep -l 'harness.options(' *.py | sed 's/\.py$$//'); do \
	  $(BIN)/python -m benchmarks.$$name --json || exit 1; done

docs: $(VENV)/.installed-test  ## rewrite the generated reference pages
	$(BIN)/python dev/make_reference.py

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache build dist
