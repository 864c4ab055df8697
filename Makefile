# check: what .ci/run checks, in the environment at hand.  test: the tests alone.  fix: format and mend.
# docs: the examples in docstrings, README and docs.      bench: the benchmarks, see benchmarks/LOG.md.
# build: the kernel, in place.                       sanitize: its tests, watched for stray reads and writes.
.PHONY: build sanitize check test fix docs bench ci

build:
	pip install -q --no-deps -e .

sanitize:
	tests/kernel/sanitize

check:
	ruff check .
	ruff format --check .
	mypy
	lint-imports
	pytest -n 2

test:
	pytest -n 2

fix:
	ruff check --fix .
	ruff format .

docs:
	pytest tests/docs

bench:
	@echo "each benchmark is a script with a --help; what it gave is in benchmarks/LOG.md:"
	@ls benchmarks/*/*.py

ci:
	.ci/run
