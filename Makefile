# Two commands on a fresh machine with Python 3.11+ and make: `make demo`, `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: install demo test test-browser test-graphs test-integration test-jax test-networks test-ray test-units ui lint lock image-check screenshots docs readme clean help

help:
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info < (3, 14); \
	  sys.exit(0 if ok else f"found Python {sys.version.split()[0]}; expected 3.11, 3.12 or 3.13; to fix: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check --quiet --require-hashes -r requirements.lock
	$(BIN)/pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation \
	  --config-settings editable_mode=compat -e .
	@touch $@

install: $(INSTALLED) ## install into .venv

demo: $(INSTALLED) ## install, then run the flights pipeline from PostgreSQL to a released model
	$(BIN)/plumbline demo

ui: $(INSTALLED) ## open Dagster on the workspace
	$(BIN)/plumbline ui

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright --warnings
	$(BIN)/lint-imports

test: $(INSTALLED) ## install, then lint, types, import rules and tests on both Keras backends
	@# Three at once keep two cores busy: many tests wait for servers and processes of their own.
	$(MAKE) --jobs 3 lint test-integration test-graphs test-jax test-networks test-units test-browser

test-browser: $(INSTALLED)  # installs Chromium where there is none; PLUMBLINE_BROWSER=required: or fails
	$(BIN)/pytest tests/browser

test-graphs: $(INSTALLED)
	KERAS_BACKEND=tensorflow $(BIN)/pytest tests/graph

test-integration: $(INSTALLED)
	KERAS_BACKEND=tensorflow $(BIN)/pytest tests/integration

test-jax: $(INSTALLED)
	@# A search trains through the same networks, whatever their backend.
	KERAS_BACKEND=jax $(BIN)/pytest -m network tests/unit --ignore tests/unit/search

test-networks: $(INSTALLED)
	KERAS_BACKEND=tensorflow $(BIN)/pytest tests/unit/network

test-ray: $(INSTALLED) ## install the extra ray, then test its engine on clusters of this machine
	$(BIN)/pip install --disable-pip-version-check --quiet --require-hashes -r requirements-ray.lock
	KERAS_BACKEND=tensorflow $(BIN)/pytest -m ray tests/cluster

test-units: $(INSTALLED)
	KERAS_BACKEND=tensorflow $(BIN)/pytest tests/unit --ignore tests/unit/network

LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-strip-extras --no-annotate --no-header
# Of the images: the same versions. libclang is for who builds TensorFlow, and 60 MB.
IMAGE_LOCK := $(LOCK) --constraints requirements.lock --no-emit-package libclang

lock: ## renew the lock files from pyproject.toml
	$(BIN)/$(LOCK) --extra dev --output-file requirements.lock pyproject.toml
	$(BIN)/$(IMAGE_LOCK) --extra deploy --extra kubernetes \
	  --output-file requirements-runtime.lock pyproject.toml
	$(BIN)/$(IMAGE_LOCK) --extra deploy --extra kubernetes --extra ray \
	  --output-file requirements-ray.lock pyproject.toml
	$(BIN)/$(IMAGE_LOCK) --extra deploy --extra kubernetes --extra ray --extra gpu \
	  --output-file requirements-trainer.lock pyproject.toml
	$(BIN)/$(IMAGE_LOCK) --group serving --output-file requirements-serving.lock

image-check: ## build the container image without Docker and prove it (root, buildah, debootstrap)
	deploy/image-check.sh

screenshots: $(INSTALLED) ## take the documentation's pictures of the UI anew (after make demo)
	$(BIN)/python tests/browser/screenshots.py

docs: $(INSTALLED) ## write the generated pages anew, and build all of them into docs/_build
	$(BIN)/python -m docs.generator
	$(BIN)/sphinx-build -q -n -W --keep-going -b html docs docs/_build

readme: $(INSTALLED) ## write the demo's numbers into README.md (after make demo)
	$(BIN)/python docs/update_readme.py

clean:
	rm -rf $(VENV) .plumbline
