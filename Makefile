# The commands of this project; `make` alone prints them. CI runs the same ones.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
DATA_DIR := data
FIRST_FILE := train-images-idx3-ubyte.gz
SYSTEM_DATA := /usr/share/datasets/fashion-mnist
SHELL_FILES := .ci/run entrypoint.sh $(wildcard slurm/*.sh)
VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"$$/\1/p' job/__init__.py)
IMAGE := fashion-mnist-job:$(VERSION)
CPU_BASE_IMAGE ?= ubuntu:24.04
# The first that is here; buildah builds and does not run.
ENGINES := docker podman buildah
ENGINE ?= $(firstword $(foreach engine,$(ENGINES),$(if $(shell command -v $(engine)),$(engine))))
BUILDER = $(or $(ENGINE),$(error to build, install docker, podman or buildah, or name it: ENGINE=...))
RUNNER = $(or $(filter-out buildah,$(ENGINE)),$(error to run, install docker or podman, or name it: ENGINE=...))
# podman of anyone but root gives the user of the container another number on the host, who may not
# write to this user's folder; root's podman refuses the option.
USER_OPTIONS = $(if $(filter podman,$(ENGINE)),$(if $(filter-out 0,$(shell id -u)),--userns=keep-id))
GPU_OPTIONS ?= $(if $(filter podman,$(ENGINE)),--device nvidia.com/gpu=all,--gpus all)
BUILD = DOCKER_BUILDKIT=1 $(BUILDER) build $(IMAGE_OPTIONS) \
	--label org.opencontainers.image.revision=$(or $(shell git rev-parse HEAD 2>/dev/null),unknown)

TORTURE_SECONDS ?= 7200
FUZZ_SECONDS ?= 300
# In no lock: the first has wheels for few platforms, and both are for their own targets alone.
ATHERIS := "atheris>=3"
COSMIC_RAY := "cosmic-ray>=8.4"
SBOM ?= build/sbom.json

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

.PHONY: run
run: venv data ## Train, evaluate and deliver into output/ (make run JOB_OUTPUT_DIR=other)
	@$(PY) -m job

.PHONY: test
test: venv data ## Run the whole test suite, with coverage, and test-gpu where a GPU is
	$(PY) -m pytest --cov --cov-report=term
	$(PY) -m coverage report --include=job/files.py,job/checkpoint.py,job/errors.py --fail-under=100
	@if nvidia-smi -L >/dev/null 2>&1; then $(MAKE) --no-print-directory test-gpu; fi

.PHONY: lint
lint: venv ## Check format, style, types, import layers and shell files
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/shellcheck $(SHELL_FILES)
	$(VENV)/bin/shfmt -d -i 4 $(SHELL_FILES)
	$(PY) tests/hostile/advisories.py requirements-dev.lock

.PHONY: format
format: venv ## Bring all files into the format that lint checks
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/shfmt -w -i 4 $(SHELL_FILES)

.PHONY: docs
docs: venv ## Write the tables of docs/ that come from the code
	$(PY) tests/generated_docs.py

.PHONY: image
image: ## Build the image with docker, podman or buildah, the first that is here (ENGINE=podman, IMAGE_OPTIONS=...)
	$(BUILD) --target cuda --tag $(IMAGE) .

.PHONY: image-cpu
image-cpu: ## Build it without CUDA (TORCH_INDEX_URL=... names an index with torch's CPU builds)
	$(BUILD) --target cpu --tag $(IMAGE)-cpu \
		--build-arg BASE_IMAGE=$(CPU_BASE_IMAGE) --build-arg TORCH_INDEX_URL=$(TORCH_INDEX_URL) .

.PHONY: image-run
image-run: ## Run the image on this machine's GPUs into output/ (GPU_OPTIONS= for none)
	@mkdir -p output
	$(RUNNER) run --rm $(GPU_OPTIONS) $(USER_OPTIONS) --user "$$(id -u):0" -v "$(CURDIR)/output:/output" $(IMAGE)

.PHONY: test-image
test-image: venv ## Build the image and run it under docker and podman (root, 23 GB, ten minutes)
	$(PY) -m pytest tests/image

.PHONY: test-browser
test-browser: venv ## Open the report in a headless Chromium (Debian's chromium, two minutes)
	$(PY) -m pytest tests/browser

.PHONY: screenshots
screenshots: venv data ## Make the pictures of docs/images/ anew, of a run of eight epochs and of a sweep
	$(PY) -m job --recipe accurate --epochs 8 --output-dir build/pictured
	$(PY) -m job report build/pictured
	$(PY) tests/browser/screenshots.py build/pictured/report.html report docs/images
	@# One of its nine points diverges, so that the sweep ends in 81.
	-$(PY) -m job sweep --sweep sweeps/learning-rate.toml --output-dir build/swept
	$(PY) tests/browser/screenshots.py build/swept/compare.html compare docs/images

.PHONY: test-gpu
test-gpu: venv ## Run what needs a GPU that torch can use (it fails without one)
	$(PY) -m pytest tests/gpu

.PHONY: test-nodes
test-nodes: venv ## Run two ranks on two virtual nodes with a late resolver, and cut them off (root, three minutes)
	$(PY) -m pytest tests/nodes

.PHONY: slurm-cluster
slurm-cluster: venv ## Open a shell on a Slurm cluster of four virtual nodes (root, Debian's slurm packages)
	@PYTHONPATH=.:tests $(PY) tests/slurm/slurm_shell.py

.PHONY: test-slurm
test-slurm: venv ## Submit slurm/*.sh to such a cluster, and interrupt them (seven minutes)
	$(PY) -m pytest tests/slurm

.PHONY: torture
torture: venv data ## Run the proofs of crashes, hostile files and the lease at their full size
	CRASH_SCALE=full $(PY) -m pytest tests/crash tests/hostile tests/test_lease.py tests/test_one_owner.py \
		--timeout $(TORTURE_SECONDS)

.PHONY: fuzz
fuzz: venv ## Fuzz every loader with atheris (FUZZ_SECONDS=... for each)
	$(PY) -m pip install --no-cache-dir --quiet $(ATHERIS)
	$(PY) tests/hostile/fuzz.py $(FUZZ_SECONDS)

# In a copy, because it edits the sources; at most one mutant in ten may survive.
.PHONY: mutants
mutants: venv ## Mutate files, checkpoint and errors in a copy, and see their tests fail (an hour)
	$(PY) -m pip install --no-cache-dir --quiet $(COSMIC_RAY)
	rm -rf build/mutants && git clone --quiet . build/mutants
	cd build/mutants && ../../$(VENV)/bin/cosmic-ray init tests/mutants.toml mutants.sqlite \
		&& ../../$(VENV)/bin/cosmic-ray exec tests/mutants.toml mutants.sqlite \
		&& ../../$(VENV)/bin/cr-report mutants.sqlite | tail -n 3 \
		&& ../../$(VENV)/bin/cr-rate --fail-over 10 mutants.sqlite

.PHONY: sbom
sbom: venv ## Write what the image has as CycloneDX, from the lock, into build/
	@mkdir -p $(dir $(SBOM))
	$(PY) -W ignore -m cyclonedx_py requirements --pyproject pyproject.toml --mc-type application \
		--output-reproducible --output-format JSON --output-file $(SBOM) requirements.lock

.PHONY: parity
parity: venv data ## Measure docs/parity.md anew (more than half an hour on two cores)
	$(PY) bench/parity.py

.PHONY: bench
bench: venv data ## Measure docs/performance.md anew: the job beside its rivals (twenty minutes)
	$(PY) -m pip install --no-cache-dir --quiet --require-hashes -r requirements-bench.lock
	$(PY) bench/compare.py

.PHONY: scaling
scaling: venv data ## Measure docs/scaling.md anew: several ranks, and failures simulated (ten minutes)
	$(PY) bench/failures.py
	$(PY) bench/ranks.py

.PHONY: venv
venv: $(VENV)/.installed ## Make .venv from the hash-checked lock (TORCH_INDEX_URL=... for torch's CPU build)

$(VENV)/.installed: requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one with PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
ifdef TORCH_INDEX_URL
	# The CPU builds have other hashes than the lock, and their own index vouches for them.
	awk '/^torch(vision)?==/ {print $$1}' requirements-dev.lock >$(VENV)/torch.txt
	$(PY) -m pip install --no-cache-dir --quiet --no-deps --index-url $(TORCH_INDEX_URL) -r $(VENV)/torch.txt
	awk '/^[a-z]/ {keep = !/^(torch|torchvision|triton|cuda-|nvidia-[^m])/} keep' requirements-dev.lock >$(VENV)/rest.txt
	$(PY) -m pip install --no-cache-dir --quiet --require-hashes -r $(VENV)/rest.txt
else
	$(PY) -m pip install --no-cache-dir --quiet --require-hashes -r requirements-dev.lock
endif
	@touch $@

.PHONY: data
data: venv ## Have the real dataset: on this machine, from the distribution's package, or fetched
	@[ -e $(SYSTEM_DATA)/$(FIRST_FILE) ] || [ -e $(DATA_DIR)/$(FIRST_FILE) ] || \
		$(MAKE) --no-print-directory unpack-data || true
	@$(PY) -m job.data $(DATA_DIR)

# `apt-get download` and `dpkg-deb -x` need no root; where they fail, the job fetches by itself.
.PHONY: unpack-data
unpack-data:
	@command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null
	@mkdir -p build/package $(DATA_DIR)
	cd build/package && apt-get download dataset-fashion-mnist
	dpkg-deb -x build/package/dataset-fashion-mnist_*.deb build/package
	cp build/package$(SYSTEM_DATA)/*.gz $(DATA_DIR)/

.PHONY: lock
lock: venv ## Resolve the dependencies anew; the locks hold hashes and no addresses
	$(VENV)/bin/uv pip compile pyproject.toml --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header --quiet -o requirements.lock
	$(VENV)/bin/uv pip compile pyproject.toml --extra dev -c requirements.lock --universal \
		--python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet -o requirements-dev.lock
	$(VENV)/bin/uv pip compile pyproject.toml --extra bench -c requirements-dev.lock --universal \
		--python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet -o requirements-bench.lock

.PHONY: clean
clean: ## Remove what was built, but not data/ and output/
	rm -rf $(VENV) build dist .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
