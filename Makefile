# Everything here works on a machine with only Python 3.11+ and make: the environment is made on first use.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SUPPLY := $(VENV)-supply/bin
CONFIG ?= roomkeeper.yaml
PORT   ?= 8080
PYTEST ?=
# What a run of all tests must reach, in percent of lines and branches, but for the pretend services and the commands:
# half of one less than it does, for a process that is killed leaves nothing of what it ran through.
COVERED := 94.5
QUICK  := tests/automations tests/connectors tests/docspace tests/test_house.py tests/test_installed.py

# Byte code is kept, whatever the machine's environment says: without it every command compiles everything anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo serve test quick again test-full check format lock bench screenshots schema reference docs bom audit dist clean

demo: $(VENV)/.runtime            ## the whole story on a simulated portal; ONCE=1 plays it and exits
	$(BIN)/roomkeeper demo --port $(PORT) $(if $(ONCE),--once)

serve: $(VENV)/.runtime           ## run with $(CONFIG)
	$(BIN)/roomkeeper serve -c $(CONFIG)

test: $(VENV)/.dev                ## everything that CI runs; the check goes on beside the tests, and is shown after them
	@mkdir -p test-output
	@nice make --no-print-directory check > test-output/check.txt 2>&1 & check=$$!; \
	$(BIN)/python -m slipcover -m pytest $(PYTEST); tests=$$?; \
	wait $$check; check=$$?; cat test-output/check.txt; exit $$((tests || check))
	$(BIN)/python -m slipcover --format text --out .coverage.json $(if $(PYTEST),,--fail-under $(COVERED)) --merge .coverage.json
	$(if $(PYTEST),,$(BIN)/python tests/covered.py .coverage.json)

quick: check                      ## all that starts no process: a minute
	$(BIN)/python -m pytest -q -n 2 $(QUICK)

again: $(VENV)/.dev              ## what failed in the last run, once more and alone; fails if nothing had
	$(BIN)/python -m pytest -n 0 -p no:randomly --last-failed --last-failed-no-failures none

test-full: check                  ## the same with the full numbers: thousands of uploads, twenty kills; half an hour
	ROOMKEEPER_TESTS=full $(BIN)/python -m pytest $(PYTEST)

check: $(VENV)/.dev               ## format, lint, imports, types: seconds
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

bench: $(VENV)/.dev               ## the measurements, each beside its yardstick, in one table; ONLY=ack for some
	$(BIN)/python bench/table.py $(ONLY)

screenshots: $(VENV)/.dev         ## the pictures of the pages in docs/, as a real Chromium shows them
	ROOMKEEPER_BROWSER=required ROOMKEEPER_SCREENSHOTS=docs/pages $(BIN)/python -m pytest -n0 -p no:randomly tests/browser

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

schema: $(VENV)/.dev              ## regenerate roomkeeper.schema.json from the models
	$(BIN)/roomkeeper check --schema > roomkeeper.schema.json

reference: $(VENV)/.dev           ## write the pages of docs/reference from the models
	$(BIN)/python docs/generate.py

docs: $(VENV)/.dev                ## the site, in site/; a dead link or an unlisted page fails it
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs site

bom: $(VENV)-supply/.installed              ## the bill of materials (CycloneDX), of what requirements.txt says, in dist/
	@mkdir -p dist
	$(SUPPLY)/cyclonedx-py requirements --output-reproducible --of JSON -o dist/roomkeeper.cdx.json requirements.txt
	@test $$(grep -c '"purl"' dist/roomkeeper.cdx.json) = $$(grep -c == requirements.txt)
	$(SAY) "dist/roomkeeper.cdx.json lists all $$(grep -c == requirements.txt) packages"

audit: $(VENV)-supply/.installed            ## known vulnerabilities of what requirements.txt says; asks a public service for them
	$(SUPPLY)/pip-audit --requirement requirements.txt --require-hashes --disable-pip --progress-spinner off --strict

dist: $(VENV)/.runtime            ## a wheel, in dist/
	$(BIN)/python -m hatchling build -t wheel

lock: pyproject.toml              ## refresh the hashed requirements files (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url --extra build pyproject.toml -o requirements.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url --extra build --extra dev -c requirements.txt pyproject.toml -o requirements-dev.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url --group supply -o requirements-supply.txt
	sed -i '1i # Made by `make lock` from pyproject.toml: exact versions with hashes, no host.' requirements.txt requirements-dev.txt requirements-supply.txt

clean:
	rm -rf $(VENV) $(VENV)-supply .coverage.json test-output site dist

# The hashed files are the whole truth: nothing is resolved (`--no-deps`), so that what a registry publishes tomorrow
# does not matter. `tests/test_installed.py` shows that they lack nothing. Only what is used is compiled.
INSTALL := -m pip install --quiet --disable-pip-version-check --no-compile --no-deps
SAY     = @printf '%s  %s\n' "$$(date +%H:%M:%S)"

# The demo needs no test tools, so it does not wait for them.
$(VENV)/.runtime: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Roomkeeper needs Python 3.11 or newer; try: make PYTHON=python3.12")'
	$(SAY) 'Making an environment in $(VENV)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(SAY) "Installing $$(grep -c == requirements.txt) packages that Roomkeeper runs on"
	@$(BIN)/python $(INSTALL) --require-hashes -r requirements.txt
	$(SAY) 'Installing Roomkeeper itself'
	@$(BIN)/python $(INSTALL) --no-build-isolation --editable .
	@$(BIN)/python -c 'import alembic.command, roomkeeper.app, roomkeeper.cli, roomkeeper.simulator.server'
	$(SAY) 'Installed'
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.txt
	$(SAY) "Installing the packages that the tests need"
	@$(BIN)/python $(INSTALL) --require-hashes -r requirements-dev.txt
	$(SAY) 'Compiling what the tests load, once and not in each process that runs some'
	@$(BIN)/python -m pytest -n 0 --collect-only -q >/dev/null
	$(SAY) 'Installed'
	@touch $@

# They bring a pip of their own, so they do not come into the environment that is tested.
$(VENV)-supply/.installed: requirements-supply.txt
	$(SAY) 'Making an environment in $(VENV)-supply'
	@test -x $(SUPPLY)/python || $(PYTHON) -m venv $(VENV)-supply
	@$(SUPPLY)/python $(INSTALL) --require-hashes -r requirements-supply.txt
	@touch $@
