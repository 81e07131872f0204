# make run: a fresh clone → a judged adapter.   make test: the same environment, then the tests.

PYTHON ?= python3
# Where torch comes from. As it stands a CPU build; for a GPU: make run TORCH_INDEX=https://download.pytorch.org/whl/cu130
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: run test check

run: .venv/run
	dvc repro
	python src/results.py

test: .venv/test
	HF_HUB_OFFLINE=1 python -m pytest

check: .venv/test
	ruff check . && ruff format --check . && mypy

.venv/run: requirements.txt
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or newer is needed: make run PYTHON=python3.11"'
	$(PYTHON) -m venv .venv
	pip install --quiet --upgrade pip==26.3
	pip install --retries 1 --extra-index-url "$(TORCH_INDEX)" "$$(grep '^torch==' requirements.txt)"
	pip install --requirement requirements.txt
	touch $@

.venv/test: .venv/run pyproject.toml
	pip install --group test
	touch $@
