# Every target sets itself up: a virtual environment, the pinned packages, the checkout's own package.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV ?= .venv
export PATH := $(abspath $(VENV))/bin:$(PATH)
# A mirror of the inputs (a directory or a URL), looked at before the network. DVC may run elsewhere: absolute.
ifneq ($(wildcard ../shared/upstream),)
export MODEL_EMOTION_MIRROR ?= $(abspath ../shared/upstream)
endif
TORCH := $(shell sed -n 's/^ *"\(torch==[^"]*\)",/\1/p' pyproject.toml)
READY := $(VENV)/.ready
# What only torch pulls in: it comes with the build of torch that this machine takes, so the lock does not name it.
TORCH_ALONE := torch triton sympy mpmath cuda-bindings cuda-pathfinder cuda-toolkit nvidia-cublas nvidia-cuda-cupti nvidia-cuda-nvrtc \
  nvidia-cuda-runtime nvidia-cudnn-cu13 nvidia-cufft nvidia-cufile nvidia-curand nvidia-cusolver nvidia-cusparse nvidia-cusparselt-cu13 \
  nvidia-nccl-cu13 nvidia-nvjitlink nvidia-nvshmem-cu13 nvidia-nvtx

.PHONY: help setup repro published smoke paper test lint bench readme lock
help:  ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## the virtual environment with the pinned packages (the other targets do it by themselves)
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info[:2] != (3, 11))" || \
	  { echo "error: Python 3.11 is needed and $(PYTHON) is another or missing; name it: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV)
	@echo 'Installing the pinned packages into $(VENV) ...'
	@pip install --quiet --no-deps --require-hashes -r requirements.lock
	@pip install --quiet $(TORCH)
	@pip install --quiet --no-deps --no-build-isolation -e .
	@pip check
	@touch $@

repro: $(READY)  ## every published result regenerated and verified
	@python -m model_emotion.params
	@python -m model_emotion.environment
	dvc repro
	@python stages/verify.py --check

published: $(READY)  ## the published run alone
	@python -m model_emotion.params
	@python -m model_emotion.environment
	dvc repro figures@published robustness@published judge@published
	@python stages/verify.py --check --run published

smoke: $(READY)  ## the whole chain on a small made-up world whose truth is known: no data, no download
	@python -m model_emotion.smoke

paper: $(READY)  ## the run `live` at the study's full size, as the DVC experiment `paper`: needs a CUDA GPU and roberta-base
	@test -e data/goemotions.parquet || dvc repro --quiet goemotions
	@python -m model_emotion.paper paper
	options=$$(python -m model_emotion.experiment paper); mapfile -t options <<< "$$options"; \
	  dvc exp run --name paper "$${options[@]}"

test: $(READY)  ## the tests and the linter
	ruff check
	pytest

lint: $(READY)  ## the linter alone
	ruff check

bench: $(READY)  ## speed and memory beside what one would use instead: searchlight, masked evaluation, training
	python benchmarks/searchlight.py
	python benchmarks/evaluation.py
	python benchmarks/training.py

readme: $(READY)  ## README's table of claims made anew from the last verification
	python stages/verify.py --readme

lock:  ## requirements.lock made anew from pyproject.toml (asks the package index)
	$(PYTHON) -m venv $(VENV)-lock && $(VENV)-lock/bin/pip install --quiet uv
	$(VENV)-lock/bin/uv pip compile --quiet pyproject.toml --extra dev --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  --custom-compile-command "make lock" $(foreach p,$(TORCH_ALONE),--no-emit-package $(p)) -o requirements.lock
	rm -r $(VENV)-lock
