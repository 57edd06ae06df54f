# Needs only make and some Python 3. Every target builds `.venv` first where it is missing or older
# than the lock.
PYTHON ?= $(shell command -v python3 || command -v python)
BIN := .venv/bin
READY := .venv/.ready
OUT ?= out
# Two processes, each with whole modules: what a module fits is fitted once.
PYTEST_ARGS ?= -n 2 --dist loadscope

export OMP_NUM_THREADS ?= 1

# Engines of federations: each has an environment of its own, since none fits beside another.
ENGINES := vantage6 nvflare

.PHONY: help env demo test lint lab docs evidence bench pictures browser serve-demo lock wheel clean $(ENGINES:%=federation-%)

help:
	@echo "make env       build .venv from requirements.lock"
	@echo "make demo      simulated registry -> fit -> report and patient pictures in $(OUT)/demo"
	@echo "make test      all quick tests"
	@echo "make lint      style, types, layers, sizes, circles of imports"
	@echo "make lab       JupyterLab on the tutorials"
	@echo "make docs      the documentation site into $(OUT)/docs, and its links checked"
	@echo "make evidence  slow tests and the figures in docs/evidence"
	@echo "make bench     every performance figure, as JSON"
	@echo "make pictures  the demonstration, and its pictures into the README"
	@echo "make federation-vantage6, make federation-nvflare"
	@echo "               an environment for the engine, its tests, and three sites through it"
	@echo "make browser   tests of the ward explorer in Chromium, which must be installed"
	@echo "make serve-demo  the ward explorer on the embedded registry, at http://127.0.0.1:8000/"
	@echo "make wheel     wheel and source distribution into $(OUT)/dist, the same bytes each time"
	@echo "make lock      write requirements.lock anew from pyproject.toml"

$(READY): requirements.lock pyproject.toml .python-version scripts/bootstrap.py
	@test -n "$(PYTHON)" || { echo "No python3 on PATH: install Python 3.12 or later."; exit 1; }
	$(PYTHON) scripts/bootstrap.py
	@touch $@

env: $(READY)

demo: $(READY)
	$(BIN)/twinbayes demo --out $(OUT)/demo

pictures: demo
	cp $(OUT)/demo/patient_later_forecast.png $(OUT)/demo/patient_later_contrast.png docs/pictures/

test: $(READY)
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/check_sizes.py
	$(BIN)/python scripts/check_cycles.py

lab: $(READY)
	JUPYTER_CONFIG_PATH=$(CURDIR)/notebooks/lab \
	  $(BIN)/jupyter lab --ServerApp.root_dir=notebooks/tutorials $(LAB_ARGS)

docs: $(READY)
	$(BIN)/python scripts/docs.py --out $(OUT)

evidence: $(READY)
	$(BIN)/python scripts/evidence.py

bench: $(READY)
	@mkdir -p $(OUT)/bench
	@set -e; for script in benchmarks/*.py; do \
	  name=$$(basename $$script .py); echo "$$name"; \
	  $(BIN)/python $$script | tee $(OUT)/bench/$$name.json; \
	done

$(ENGINES:%=.venv-%/.ready): .venv-%/.ready: $(READY)
	$(BIN)/uv venv --quiet --clear --python 3.13 .venv-$*
	$(BIN)/uv pip install --quiet --python .venv-$*/bin/python --editable '.[$*]' pytest
	@touch $@

$(ENGINES:%=federation-%): federation-%: .venv-%/.ready
	.venv-$*/bin/python -m pytest tests/engines/test_$*.py
	.venv-$*/bin/python scripts/federation.py $* --out $(OUT)/federation-$*

browser: $(READY)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --editable '.[browser]'
	$(BIN)/python -m pytest tests/browser

serve-demo: $(READY)
	$(BIN)/python scripts/serve_demo.py --out $(OUT)/serve

lock: $(READY)
	$(BIN)/python scripts/lock.py

# The time in the archives is that of the last commit.
wheel: $(READY)
	SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct 2>/dev/null || echo 1580601600)} \
	  $(BIN)/python -m hatchling build -d $(OUT)/dist

clean:
	rm -rf build dist $(OUT) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
