# `make demo` sets up and runs the embedded default; `make test` sets up and runs the tests.
PYTHON ?= python3
CORES ?= $(shell nproc)
WORKERS ?= $(shell nproc | awk '{print $$1 < 8 ? $$1 : 8}')
BIN := .venv/bin
STUDY ?= ranking
# The ranking study's region is the embedded default; another study's synthetic region is config/<study>-demo.yaml.
DEMO := $(if $(filter ranking,$(STUDY)),config/config.yaml,config/$(STUDY)-demo.yaml)

.PHONY: help setup demo test coverage lint docs format schemas clean

help:
	@echo "make setup    virtual environment in .venv with the pinned versions"
	@echo "make demo     the whole workflow on the synthetic region; ends with the path of its report; STUDY=... takes another study"
	@echo "make test     all tests"
	@echo "make coverage all tests once more, and which lines they ran; takes nearly twice as long"
	@echo "make lint     formatting, types, import layers, workflow lint"
	@echo "make docs     the documentation site in docs/_build/html; a broken link is an error"
	@echo "make format   mend formatting"
	@echo "make schemas  write the JSON schemas and the table of config/README.md"
	@echo "make clean    remove .venv, caches and the demo's results"

.venv/.ready: pyproject.toml envs/constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Rankscape needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Say which one to take: make PYTHON=python3.12 ...")'
	@echo "Setting up .venv with the pinned versions; a few minutes on a fresh machine."
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test,docs]' -c envs/constraints.txt
	@touch $@

setup: .venv/.ready

demo: setup
	@test -f $(DEMO) || { echo "There is no $(DEMO): STUDY=$(STUDY) names no study with a demo; there are ranking$(patsubst config/%-demo.yaml, %,$(wildcard config/*-demo.yaml))."; exit 2; }
	$(BIN)/snakemake --cores $(CORES) --rerun-incomplete --configfile $(DEMO)
	@echo "The report: $(CURDIR)/results/$$(sed -n 's/^region: *//p' $(DEMO))/report/index.html"

TESTS := -m pytest -q --numprocesses $(WORKERS) --no-loadscope-reorder

test: setup
	$(BIN)/python $(TESTS)

coverage: setup
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run $(TESTS)
	$(BIN)/python -m coverage combine -q
	$(BIN)/python -m coverage report

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow/Snakefile rules
	$(BIN)/lint-imports
	$(BIN)/snakemake --lint
	$(BIN)/snakemake --lint --configfile config/sichuan.yaml
	$(BIN)/snakemake --lint --configfile config/embeddings-demo.yaml

docs: setup
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html
	@echo "The documentation: $(CURDIR)/docs/_build/html/index.html"

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow/Snakefile rules

schemas: setup
	$(BIN)/python -m rankscape.schemas

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage* results/demo docs/_build docs/reference/package
