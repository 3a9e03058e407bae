# make demo: install everything, build the camera, verify its bundles.   make test: everything that CI runs.
.DEFAULT_GOAL := help
SHELL := /bin/sh

PYTHON ?= $(shell .ci/find-python)
VENV ?= .venv
BIN := $(VENV)/bin
# A file of tests is one worker's: what its tests share is built once.
WORKERS := --numprocesses 2 --dist loadfile

.PHONY: help demo test test-fast test-full bench sweep sweep-targets lint schema clean

help:
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' $(MAKEFILE_LIST)

$(VENV)/.installed: pyproject.toml
	.ci/system-packages
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@# torch first and exactly: pip would otherwise pick a build with several GB of accelerator libraries.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: $(VENV)/.installed ## install everything, build manifests/camera.yaml and verify its bundles
	@# Exit code 6: a tool for the other architecture is missing here; the host's own target is built all the same.
	@mkdir -p out && { $(BIN)/edgec build manifests/camera.yaml > out/demo.txt || test $$? = 6; }
	@for bundle in out/camera/1.0.0/*/; do $(BIN)/edgec verify "$$bundle" || exit; done
	@cat out/demo.txt

lint: $(VENV)/.installed ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --strict templates/linux-native/video

$(VENV)/.test-tools: $(VENV)/.installed
	.ci/system-packages test
	touch $@

test: lint $(VENV)/.test-tools ## lint and every test but the slow sweeps
	$(BIN)/python -m pytest -m 'not slow' $(WORKERS) --durations 25 --durations-min 10

test-fast: $(VENV)/.installed ## the tests that import no torch: a minute or two
	$(BIN)/python -m pytest $(WORKERS) tests/unit tests/cases tests/contract

test-full: lint $(VENV)/.test-tools ## every test, slow sweeps too
	$(BIN)/python -m pytest $(WORKERS)

bench: $(VENV)/.test-tools ## the ratios in docs/benchmarks.md, measured side by side
	$(BIN)/python benchmarks/run.py

sweep: $(VENV)/.installed ## build every torchvision model and ten of timm in four recipes (hours; goes on where it stopped), then docs/coverage.md
	$(BIN)/python benchmarks/coverage.py --again failed
	$(BIN)/python benchmarks/coverage.py --table

sweep-targets: $(VENV)/.test-tools ## build the camera for every target and delegate, verify each bundle, then the matrix of docs/targets.md
	$(BIN)/python benchmarks/targets.py

schema: $(VENV)/.installed ## write schemas/*.schema.json anew from the skeleton and the plugins
	$(BIN)/edgec schema > schemas/manifest.schema.json.new && mv schemas/manifest.schema.json.new schemas/manifest.schema.json
	$(BIN)/edgec schema target > schemas/target.schema.json.new && mv schemas/target.schema.json.new schemas/target.schema.json

clean: ## remove what was built here
	rm -rf out build dist
