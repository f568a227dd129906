# Unrolled: `make` alone explains the targets.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# What is installed; `make test INSTALL="-e .[book,test]"` takes the newest versions instead.
INSTALL ?= --require-hashes -r requirements.txt

.DEFAULT_GOAL := help
.PHONY: help book editions test test-pages seconds run shake check lab results ledger bench pictures screenshots site-report lock clean

help:  ## explain the targets
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## */  make \1|/' | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'

$(VENV)/installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Unrolled needs Python 3.11 or newer; try: make PYTHON=python3.12")'
	@echo "installing into $(VENV) (about 700 MB, a few minutes)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check $(INSTALL)
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

book: $(VENV)/installed  ## execute stale chapters and build the book into _build/html
	@$(BIN)/python tools/book.py

editions: $(VENV)/installed  ## the whole book as PDF and EPUB, linked from its cover; one of them: EDITIONS=epub
	@$(BIN)/python tools/editions.py $(EDITIONS)

test: $(VENV)/installed  ## check everything: library, data, twins, results, pages, every output; or what K=layers names
	@$(BIN)/python -m pytest -q -n auto --dist loadscope --no-loadscope-reorder --nbval --nbval-current-env --about="$(K)" tests chapters

test-pages: $(VENV)/installed  ## run every cell of every chapter in its page, in Chromium, twice; or PASSES=1
	@UNROLLED_RUN=all UNROLLED_PASSES=$(or $(PASSES),2) $(BIN)/python -m pytest -q -n auto tests/test_run.py

seconds: $(VENV)/installed  ## measure which cells take long in their pages, all or CH=03: run/seconds.json
	@UNROLLED_SECONDS=1 UNROLLED_PASSES=1 UNROLLED_RUN=all $(BIN)/python -m pytest -q tests/test_run.py -k "stored_output$(if $(CH), and /$(CH))"

run: $(VENV)/installed  ## execute chapters again: all, or those that CH=03 begins
	@$(BIN)/python tools/twins.py run $(CH)

shake: $(VENV)/installed  ## execute chapters disturbed, under other BLAS kernels: all, or CH="04 a1", RUNS=8 times
	@$(BIN)/python tools/shake.py --runs $(or $(RUNS),8) $(CH)

check: $(VENV)/installed  ## in seconds: lint, types, spelling, twins
	@$(BIN)/ruff format --check --quiet src tests tools benchmarks chapters/conftest.py
	@$(BIN)/ruff check --quiet
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/codespell
	@$(BIN)/python tools/twins.py check

lab: $(VENV)/installed  ## open the chapters in JupyterLab, text and notebook paired
	@$(BIN)/jupyter lab --notebook-dir=chapters $(LAB)

results: $(VENV)/installed  ## record the runs on real reviews that are missing from results/
	@$(BIN)/python -m unrolled.experiments all

ledger: $(VENV)/installed  ## hold every equation against its line of code, and record the errors
	@UNROLLED_LEDGER=results/ledger.json $(BIN)/python -m pytest tests

bench: $(VENV)/installed  ## measure speed against Keras and the machine's own limit
	@$(BIN)/python benchmarks/bench.py

pictures: $(VENV)/installed  ## draw the cover's pictures anew: cover/*
	@$(BIN)/python tools/site_pictures.py

screenshots: $(VENV)/installed  ## every built page at three widths, light and dark, into _build/screenshots
	@$(BIN)/python tools/site_report.py screenshots

site-report: $(VENV)/installed  ## measure the built pages: weight, first paint, shift
	@$(BIN)/python tools/site_report.py

lock:  ## write requirements.txt anew from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --extra book --extra test --universal --python-version 3.11 --fork-strategy fewest --generate-hashes --upgrade --quiet --output-file requirements.txt --custom-compile-command "make lock"

clean:  ## delete what was built and installed; sources, twins and results stay
	rm -rf _build $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
