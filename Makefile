# Everything runs in .venv, which the first target that needs it makes. `make` alone lists the targets.

# The first Python that is new enough, unless one is named: make PYTHON=/path/to/python3
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$python" -c '$(NEW_ENOUGH)' 2>/dev/null && { echo "$$python"; break; }; done)
ARGS ?=
NAME ?=

# Paths are relative, so a folder with spaces in its name works.
BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help setup test check format demo bench chaos clean

help:
	@echo "make test   [ARGS=...]            set up and run all tests (ARGS go to pytest)"
	@echo "make check                        lint, format, types, layers"
	@echo "make format                       put the code into the house's format"
	@echo "make demo   [ARGS=...]            set up and run the whole product on sample data (ARGS go to rfs-mail demo)"
	@echo "make bench  [NAME=...] [ARGS=...] measure; without NAME: all of it, quickly"
	@echo "make chaos  [ARGS=...]            kill it 100 times over 20,000 mails and hold the logs together (ARGS: --kills, --mails, --seed)"
	@echo "make setup                        set up only"
	@echo "make clean                        remove what these made, .venv too"

setup: $(READY)

# The stamp is written last, so an interrupted set-up starts again. Some platforms have no PostgreSQL or browser
# driver to download; the tests that need one say so and are skipped.
$(READY): pyproject.toml constraints.txt
	@"$(PYTHON)" -c '$(NEW_ENOUGH)' 2>/dev/null || { \
	  echo "rfs-mail needs Python 3.11 or newer; $(or $(PYTHON),python3) is $$("$(or $(PYTHON),python3)" --version 2>&1 | head -n 1)."; \
	  echo "Name another one: make PYTHON=/path/to/python3.12"; exit 2; } >&2
	@"$(PYTHON)" -m venv .venv || { \
	  echo "Python's venv module is missing. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 2; }
	@echo "setting up .venv (a minute or two, the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev,dev-servers]" \
	  || echo "no PostgreSQL or browser driver to download for this platform: the tests that need them will be skipped"
	@touch $(READY)

# Files of tests are spread over two processes: quicker on any machine, and it keeps tests from leaning on each other.
test: $(READY)
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile $(ARGS)

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

demo: $(READY)
	@$(BIN)/rfs-mail demo $(ARGS)

bench: $(READY)
	@$(BIN)/python -m benchmarks $(or $(NAME),all --quick) $(ARGS)

# Ends by itself, after a quarter of an hour at the latest; exit code 1 where a promise was broken.
chaos: $(READY)
	@nice $(BIN)/python -m tests.chaos $(ARGS)

clean:
	rm -rf .venv .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist benchmarks/out
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
