# Every target sets up what it needs. `make help` lists them.
SHELL := /bin/bash -o pipefail
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
STREAMING := -e 'lib[bus,store,imaging,release,parity,phantom]' -e services/ingest -e services/harmonizer \
             -e services/classifier -e services/console -e stack
LEARNING := -e 'lib[bus,store,imaging,release,parity,phantom,physics,cohort,learning]' -e 'services/ingest[measure]' -e methods
PROJECTS := $(wildcard lib/pyproject.toml services/*/pyproject.toml methods/pyproject.toml stack/pyproject.toml)
UV_INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -b constraints.txt \
              --excludes excludes.txt
IMAGES ?=
SEED ?= 0
N ?= 100000
ONLY ?=
BASE ?=
BUILDER ?=
BUNDLE ?=
FROM ?=
VALUES ?=
SOAK ?=
KILLS ?=
HALTS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test check bench cluster-test fuzz faults up down status logs proto dockerfiles lock models images bundle clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: .venv/streaming ## send radiographs through the whole path and show what came out; IMAGES=folder takes your own
	$(BIN)/osteon demo $(if $(IMAGES),--images '$(IMAGES)') --seed $(SEED)

up: .venv/streaming ## start all parts on this machine; a second call changes nothing
	$(BIN)/osteon stack up

down: ## stop all parts; what they hold stays
	@if [ -x $(BIN)/osteon ]; then $(BIN)/osteon stack down; else echo "nothing was ever started here"; fi

status: .venv/streaming ## tell which parts run
	$(BIN)/osteon stack status

logs: .venv/streaming ## show what the parts logged last
	$(BIN)/osteon stack logs

test: .venv/development check ## everything that is tested
	$(BIN)/pytest

check: .venv/development ## format, lint, types, imports, generated code, lock
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cp constraints.txt .venv/constraints.txt
	$(call compile_lock,.venv/constraints.txt)
	diff -q constraints.txt .venv/constraints.txt || { echo 'constraints.txt is out of date: make lock'; exit 1; }

bench: .venv/bench ## measure the path against what the hardware could do; ONLY='ceiling memory', SOAK=10000
	$(BIN)/python -m bench $(ONLY) $(if $(SOAK),--soak $(SOAK))

faults: .venv/streaming ## kill everything while images stream, and account for each; SEED=n IMAGES=n KILLS=n HALTS=n
	$(BIN)/python -m tests.faults --seed $(SEED) $(if $(IMAGES),--images $(IMAGES)) $(if $(KILLS),--kills $(KILLS)) $(if $(HALTS),--halts $(HALTS))

cluster-test: .venv/development $(if $(BUNDLE),,bundle) ## the archive on the cluster of KUBECONFIG, start to finish; BUNDLE=archive FROM=earlier IMAGES=n VALUES=file
	BUNDLE="$(or $(BUNDLE),$$(ls -t dist/osteon-*.tar | head -n 1))" FROM='$(FROM)' IMAGES='$(IMAGES)' VALUES='$(VALUES)' \
	    $(BIN)/pytest tests/cluster --capture=no

fuzz: .venv/development ## feed the path with N mutated files, and the doors and stages; SEED=1 for others; a run that was ended goes on
	$(BIN)/python -m tests.fuzz --seed $(SEED) -n $(N)

proto: .venv/development ## compile the contracts
	$(BIN)/python -m grpc_tools.protoc -Iproto --python_out=lib/src --pyi_out=lib/src proto/osteon/v1/*.proto
	$(BIN)/python proto/freeze.py

dockerfiles: .venv/uv ## write the services' Dockerfiles, from the text that they share
	$(BIN)/python helm/images/dockerfiles.py

models: .venv/development ## train the two demonstration models again, from a seed
	$(BIN)/osteon harmonizer train --out models/nyul --seed 1
	$(BIN)/osteon classifier train --harmonizer models/nyul --out models/cnn --seed 1

images: .venv/streaming ## build the images of helm/; BASE=image BUILDER=docker, podman, buildah or a command, ONLY='ingest kafka'
	BASE='$(BASE)' BUILDER='$(BUILDER)' helm/images/build $(ONLY)

bundle: .venv/streaming ## build the images, and write them with the chart to one archive in dist/, for sites without internet
	$(BIN)/python helm/images/bundle.py
	rm -rf dist/images
	BASE='$(BASE)' BUILDER='$(BUILDER)' helm/images/build -o dist/images
	$(BIN)/python helm/images/bundle.py dist/images dist
	rm -rf dist/images

lock: .venv/development ## pin what the pyproject files ask for, with hashes
	$(call compile_lock,constraints.txt)

clean: down ## forget the stack's state and the environment
	rm -rf .stack .venv

# The lock names no download address. `osteon` itself is left out: it is installed from this checkout.
define compile_lock
	(cat excludes.txt; echo osteon) > .venv/excludes.txt
	$(BIN)/uv pip compile --quiet --python $(BIN)/python --generate-hashes --no-header --no-annotate --all-extras \
	    --excludes .venv/excludes.txt --group dev --group bench $(PROJECTS) -o $(1)
endef

.venv/uv: constraints.txt excludes.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
	    || { echo 'Osteon needs Python 3.11: install it, or name it with PYTHON=/path/to/python3.11'; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@sed -n '/^uv==/,/[^\\]$$/p' constraints.txt > .venv/uv.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.txt
	@touch $@

.venv/streaming: .venv/uv $(PROJECTS)
	$(UV_INSTALL) $(STREAMING)
	@touch $@

.venv/cohort: .venv/streaming
	$(UV_INSTALL) -e 'lib[cohort,phantom]'
	@touch $@

.venv/bench: .venv/uv .venv/cohort pyproject.toml
	$(UV_INSTALL) --group bench
	@touch $@

.venv/development: .venv/uv .venv/streaming pyproject.toml
	$(UV_INSTALL) $(LEARNING) --group dev
	@touch $@
