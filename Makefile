# Every target sets itself up: a virtual environment, the pinned packages, the checkout's own package.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3.11
VENV ?= .venv
export PATH := $(abspath $(VENV))/bin:$(PATH)
# A mirror of the inputs (a directory or a URL), looked at before the network. DVC may run elsewhere: absolute.
ifneq ($(wildcard ../shared/upstream),)
export MODEL_EMOTION_MIRROR ?= $(abspath ../shared/upstream)
endif
TORCH := $(shell sed -n 's/^ *"\(torch==[^"]*\)",/\1/p' pyproject.toml)
READY := $(VENV)/.ready

.PHONY: help setup repro published test lint lock bench clean
help:  ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## the virtual environment with the pinned packages (the other targets do it by themselves)
$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed ($(PYTHON) not found): install it or name it, make PYTHON=..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	pip install --quiet --no-deps --require-hashes -r requirements.lock
	pip install --quiet $(TORCH)
	pip install --quiet --no-deps --no-build-isolation -e .
	pip check
	touch $@

lock:  ## requirements.lock made anew from pyproject.toml (asks the package index)
	$(PYTHON) -m venv $(VENV)-lock && $(VENV)-lock/bin/pip install --quiet uv
	$(VENV)-lock/bin/uv pip compile --quiet pyproject.toml --extra dev --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  --custom-compile-command "make lock" $(foreach p,torch sympy mpmath triton,--no-emit-package $(p)) -o requirements.lock
	rm -r $(VENV)-lock
