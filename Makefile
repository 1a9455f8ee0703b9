# Two commands do everything on a fresh machine with Python 3.11 or later: `make run` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q

.PHONY: run test check format nightly benchmark clean

run: $(VENV)/run  ## install, run the main job on the bundled data, say where the report is
	$(BIN)/losscope compare --out losscope-report

# A process for each core, and a thread for each process: threads that wait for each other cost a tenth more.
test: $(VENV)/test check  ## everything CI runs
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal --max-worker-restart 0

check: $(VENV)/test  ## lint, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

nightly: $(VENV)/test  ## 5,000 random formulas, other ones each time: exact, told or refused
	LOSSCOPE_NIGHTLY=1 $(BIN)/python -m pytest -o faulthandler_timeout=0 tests/test_formulas_random.py

benchmark: $(VENV)/test  ## the figures of benchmarks/README.md, on this machine
	$(BIN)/python benchmarks/speed.py

clean:
	rm -rf $(VENV) losscope-report dist

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "losscope needs Python 3.11 or later, and this is " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)

$(VENV)/run: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt -e '.[compare]'
	touch $@

$(VENV)/test: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt -e '.[test]'
	touch $@ $(VENV)/run
