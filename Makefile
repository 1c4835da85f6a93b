# One command per verb. `check` never edits; `fmt` does.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup devnet test test-long bench check fmt guest docs

export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/node_modules/.bin:$(CURDIR)/.cache/bin:$(PATH)
PYTHON := python3
PROGRAMS := scripts/build-networks scripts/contract-snapshots scripts/fuzz scripts/guest scripts/setup scripts/spec-rules scripts/test
TIER ?= test
LONG ?=

help: ## list the verbs
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

setup: ## bring what this machine lacks (TIER=run, test or bench)
	@$(PYTHON) scripts/setup $(TIER)

devnet: ## start a rollup of your own on 127.0.0.1:9545, with its L1
	@$(PYTHON) scripts/setup run
	@trex devnet --gateway-port 8646

test: ## every test that belongs to a change: Rust, contracts, Python
	@$(PYTHON) scripts/setup test
	@$(PYTHON) scripts/guest
	@$(PYTHON) scripts/test

test-long: ## the same and those that take hours: 200 kills, million-transaction runs, fuzzing of every decoder
	@$(PYTHON) scripts/setup test
	@$(PYTHON) scripts/guest
	@$(PYTHON) scripts/fuzz
	@$(PYTHON) scripts/test --long

bench: ## T-Rex beside its peers, tables into bench/ (LONG=1: a million transactions, five million accounts)
	@$(PYTHON) scripts/setup bench
	@PYTHONPATH=src python bench/throughput/run.py --out bench/results.md
	@PYTHONPATH=src python bench/import/run.py $(if $(LONG),--transactions 1000000) --out bench/import/results.md
	@PYTHONPATH=src python bench/verifier/run.py $(if $(LONG),--transactions 1000000) --out bench/verifier/results.md
	@PYTHONPATH=src python bench/derive/run.py $(if $(LONG),--transactions 1000000) --out bench/derive/results.md
	@PYTHONPATH=src python bench/l1/run.py --out bench/l1/results.md
	@PYTHONPATH=src python bench/reads/run.py $(if $(LONG),,--logs 200000) --out bench/reads/results.md
	@PYTHONPATH=src python bench/growth/run.py $(if $(LONG),--long) --out bench/growth/results.md
	@PYTHONPATH=src python bench/persona/run.py $(if $(LONG),--long) --out bench/persona/results.md
	@PYTHONPATH=src python bench/pms/run.py $(if $(LONG),--long) --out bench/pms/results.md
	@PYTHONPATH=src python bench/models/run.py --out bench/models/results.md

check: ## formatting, lints, types, import rules; edits nothing
	@$(PYTHON) scripts/setup test
	ruff format --check
	ruff check
	mypy src tests
	mypy --scripts-are-modules $(PROGRAMS)
	lint-imports --no-logo
	$(PYTHON) scripts/spec-rules
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	forge fmt --check
	$(PYTHON) scripts/contract-snapshots --check

fmt: ## bring every file into the form that check wants
	@$(PYTHON) scripts/setup test
	ruff check --fix --exit-zero
	ruff format
	cargo fmt --all
	forge fmt

guest: ## the provable programs for RISC-V, with their sizes and hashes
	@$(PYTHON) scripts/guest

docs: ## API pages from docstrings, into site/
	@$(PYTHON) scripts/setup test
	rm -rf site
	pdoc --output-directory site/python trex
	cargo doc --locked --no-deps
	cp -r $${CARGO_TARGET_DIR:-target}/doc site/rust
