# Each target does its own set-up: it finds a Python >= 3.12, makes .venv and installs the package
# with the tested versions (constraints.txt) once. Another interpreter: make test PYTHON=/path/to/it

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := test
.PHONY: test test-slow demo notebooks docs bench lint clean
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
CANDIDATES := $(PYTHON) python3.13 python3.12 python3.14 python3 python
ENOUGH := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 12))

# Two workers share two cores, so each keeps to one thread; the tests of a file share what they
# compile, so they go to the same worker.
WORKERS := 2
ONE_THREAD := NPROC=1 OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 NUMBA_NUM_THREADS=1

# A shim may be on the path and not run: every candidate is tried, not just looked up.
$(READY): pyproject.toml constraints.txt
	@if ! $(BIN)/python -c '$(ENOUGH)' 2>/dev/null; then \
	  found=; \
	  for python in $(CANDIDATES); do \
	    if "$$python" -c '$(ENOUGH)' 2>/dev/null; then found=$$python; break; fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo "no Python >= 3.12 with venv found: install one, or name it: make PYTHON=/path/to/python" >&2; \
	    exit 1; \
	  fi; \
	  echo "making $(VENV) with $$("$$found" --version)"; \
	  "$$found" -m venv --clear $(VENV); \
	fi
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

test: lint
	$(ONE_THREAD) $(BIN)/python -m pytest -n $(WORKERS) --dist loadscope -m "not slow"

test-slow: $(READY)
	$(ONE_THREAD) $(BIN)/python -m pytest -n $(WORKERS) --dist loadscope -m slow

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

demo: $(READY)
	$(BIN)/python analyses/penguins.py
	$(BIN)/bayes-cmoe compare quick -o out/quick

# Every analysis as a notebook, executed in a kernel of its own: out/notebooks.
notebooks: $(READY)
	$(BIN)/python -m tests.notebooks

# The pages, warnings as errors: out/docs. They show the notebooks as they were executed; one that is
# missing, or older than its analysis, is executed first.
NOTEBOOKS := $(patsubst analyses/%.py,out/notebooks/%.ipynb,$(filter-out analyses/bench%.py,$(wildcard analyses/*.py)))

$(NOTEBOOKS): out/notebooks/%.ipynb: analyses/%.py | $(READY)
	$(BIN)/python -m tests.notebooks $*

$(VENV)/.docs: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,docs]'
	@touch $@

docs: $(VENV)/.docs $(NOTEBOOKS)
	$(BIN)/python -m sphinx -W --keep-going -q -b html -d out/docs-doctrees docs out/docs
	@echo "out/docs/index.html"

bench: $(READY)
	$(BIN)/python analyses/bench.py
	$(BIN)/python analyses/bench_sweep.py
	$(BIN)/python analyses/bench_limits.py

clean:
	rm -rf $(VENV) build dist out *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
