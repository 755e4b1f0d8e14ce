# `make train` is the whole thing: environment, training, results. Needs Python >= 3.11 and nothing else.
#
#   make train PYTHON=python3.12      another interpreter (make clean first if there is a .venv already)
#   make train PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
#                                     torch without CUDA, a much smaller download (any pip setting works like this)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install -c constraints.txt

# Of pip's output only what says how far it is; errors come through on stderr, and pip's status is kept.
PIPEFAIL := set -o pipefail;
QUIET := | awk '/^(Collecting|Installing|Successfully)/ {print substr($$0, 1, 100); fflush()}'

SHELL := bash
.DELETE_ON_ERROR:
.PHONY: train test lint sandbox clean

train: $(VENV)/.installed
	$(BIN)/rllib train file tuned_examples/chartqa_grpo.py

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

sandbox:
	docker/build.sh

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# A stamp is older than what it was made from only after a change of the dependencies: nothing is installed twice.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(f"Python 3.11 or newer is needed, {sys.executable} is {sys.version}" if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing torch (the largest part), then the rest, into $(VENV)"
	@$(PIP) torch==2.13.0
	@$(PIPEFAIL) $(PIP) -e . $(QUIET)
	@touch $@

$(VENV)/.installed-%: $(VENV)/.installed
	@$(PIPEFAIL) $(PIP) -e '.[$*]' $(QUIET)
	@touch $@
