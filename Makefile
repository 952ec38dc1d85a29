# PYTHON=... names the Python of .venv; without it .ci/setup finds the newest that works.
# ARGS=... is passed on, as in: make test ARGS='-k shortcut'

python := .venv/bin/python
ARGS :=

# Where it is set, as in many containers, each process compiles all its imports anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup runtime train test test-slow lint format docs wheel lock clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*##/\1 /p' Makefile | while read -r target words; do \
		printf 'make %-10s %s\n' "$$target" "$$words"; done

setup:  ## make .venv with everything that development needs
	@.ci/setup requirements-dev.txt

runtime:
	@.ci/setup requirements.txt

train: runtime  ## train on the handwritten digits and print the test accuracy
	$(python) -m resnet_jax.main --config=configs/digits.py --workdir=runs/digits $(ARGS)

test: setup  ## run the tests, but for the slow ones and those that need other frameworks
	$(python) -m pytest -n auto --maxprocesses=4 --dist=loadfile $(ARGS)

test-slow: setup  ## run the slow tests
	$(python) -m pytest -m 'slow and not peers' -n auto --maxprocesses=4 --dist=loadfile $(ARGS)

lint: setup  ## check style, formatting, types, and what describes the project to others
	$(python) -m ruff check
	$(python) -m ruff format --check
	$(python) -m mypy
	.venv/bin/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff
	.venv/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	.venv/bin/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/report.yml
	.venv/bin/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	.venv/bin/zizmor --offline --quiet .github
	.venv/bin/hadolint Dockerfile

format: setup  ## put the code into its form
	$(python) -m ruff check --fix
	$(python) -m ruff format

docs: setup  ## build the documentation into build/docs
	JAX_PLATFORMS=cpu $(python) -m sphinx --quiet --fail-on-warning --keep-going --jobs=auto \
		-d build/doctrees -b html docs build/docs $(ARGS)

wheel: setup  ## build the package into dist/
	$(python) -m uv build --quiet --out-dir=dist

lock: setup  ## write the versions of all packages anew into requirements-lock.txt
	$(python) -m uv pip compile --quiet --upgrade --universal --python-version=3.11 --no-annotate \
		--custom-compile-command='make lock' requirements-dev.txt --output-file=requirements-lock.txt

clean:  ## remove .venv, caches and build products; runs/ stays
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
