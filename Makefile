# The workshop's commands. Each sets up what it needs; `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
CHECKOV := .venv-checkov
# the slow ones run one by one: they use both cores, and some measure
QUICK_TESTS = $(BIN)/python -m pytest tests -m 'not slow' -n 2 --dist loadfile

.PHONY: help install workshop test test-fast book local jupyter bench lint export clean constraints \
	aws-up aws-down aws-status

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) ## make the environment .venv with the pinned dependencies

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else f"Python {v[0]}.{v[1]} found; the workshop needs 3.11, 3.12 or 3.13. Name one with: make $(MAKECMDGOALS) PYTHON=python3.11")'
	@echo "Installing the pinned dependencies into $(VENV) (4 GB without CUDA libraries; minutes the first time) …"
	@$(PYTHON) -m venv $(VENV) || { echo "Python has no venv module; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[local,labs,test]'
	@$(BIN)/python -m pip check
	@touch $(INSTALLED)

$(CHECKOV)/.installed: tests/templates/requirements-checkov.txt
	@echo "Installing checkov into $(CHECKOV) …"
	@$(PYTHON) -m venv $(CHECKOV)
	$(CHECKOV)/bin/python -m pip install --quiet --requirement tests/templates/requirements-checkov.txt
	@touch $@

workshop: $(INSTALLED) ## run every lab on this machine and build the site
	@$(BIN)/python -m tools.run_labs $(if $(FORCE),--force)
	@$(BIN)/python -m tools.build_site

test: $(INSTALLED) $(CHECKOV)/.installed ## all tests: code, notebooks, local_aws, templates, site
	@$(BIN)/python -m tools.check_export
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(QUICK_TESTS)
	$(BIN)/python -m pytest tests -m slow

test-fast: $(INSTALLED) ## the quick tests, under 3 minutes
	$(QUICK_TESTS)

book: $(INSTALLED) ## build the site from the labs as they were last run
	@$(BIN)/python -m tools.build_site

local: $(INSTALLED) ## start local_aws and keep it; stop it with .venv/bin/local-aws stop
	@$(BIN)/local-aws start

jupyter: $(INSTALLED) ## open the notebooks in JupyterLab
	@$(BIN)/jupyter lab --ServerApp.root_dir=nbs

bench: $(INSTALLED) ## measure the figures that the docs report; needs the labs to have run
	$(BIN)/python benchmarks/job_start.py
	$(BIN)/python benchmarks/pipelines.py
	$(BIN)/python benchmarks/functions.py
	$(BIN)/python benchmarks/quality.py
	$(BIN)/python -m tools.latest_model huggingface build/benchmarks/huggingface
	$(BIN)/python benchmarks/serving.py --model-dir build/benchmarks/huggingface

aws-up: $(INSTALLED) ## deploy the CloudFormation stacks; STACK=00-networking for one
	@$(BIN)/python -m tools.aws_stacks up $(STACK) --parameters "$(PARAMETERS)"

aws-down: $(INSTALLED) ## remove the stacks; CONFIRM=delete-data with what is in them
	@$(BIN)/python -m tools.aws_stacks down $(STACK) --confirm "$(CONFIRM)"

aws-status: $(INSTALLED) ## what is deployed
	@$(BIN)/python -m tools.aws_stacks status

lint: $(INSTALLED) ## style of the code
	$(BIN)/ruff check
	$(BIN)/ruff format --check

export: $(INSTALLED) ## write lab_lib from the notebooks
	@$(BIN)/nbdev-export

clean: ## remove everything that was made, the environment and the local state included
	@if [ -x $(BIN)/local-aws ]; then $(BIN)/local-aws stop || true; fi
	rm -rf $(VENV) $(CHECKOV) .local_aws build *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find . -name .ipynb_checkpoints -type d -prune -exec rm -rf {} +

constraints: $(INSTALLED) ## pin what is installed now in constraints.txt
	@{ sed -n '/^#/p' constraints.txt; $(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu$$//'; } > constraints.new
	@mv constraints.new constraints.txt
