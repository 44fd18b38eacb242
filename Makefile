.DEFAULT_GOAL := help
.PHONY: help setup run test races check format lock bench sbom secrets clean clean-data

# The first interpreter that is new enough, by its full path (below, .venv comes first); set-up says it when none is.
ifndef PYTHON
PYTHON := $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v $$p; exit; }; done; echo python3)
endif
PATH := $(CURDIR)/.venv/bin:$(PATH)
export PATH
ARGS ?=

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install everything into this folder (quick when nothing changed)
	@$(PYTHON) deploy/bootstrap.py

run: setup ## start everything with a demo website; VISITORS=200 adds simulated visitors
	@exec .venv/bin/python -m deploy.local

# Two at a time where tests mostly wait; alone where a browser or a whole installation wants the machine.
test: setup ## all tests; ARGS goes to pytest, as in make test ARGS="-k embedded"
ifeq ($(strip $(ARGS)),)
	.venv/bin/python -m pytest -n 2 --dist loadfile tests/unit tests/integration
	.venv/bin/python -m pytest tests/e2e tests/races
	npm test
else
	.venv/bin/python -m pytest $(ARGS)
endif

races: setup ## races of chats on running services, many rounds (ROUNDS=300 of each); see docs/chat-routing.md
	ROUNDS=$(or $(ROUNDS),300) .venv/bin/python -m pytest tests/races $(ARGS)

check: setup ## linters, types, import rules, front ends
	ruff check .
	ruff format --check .
	mypy
	lint-imports
	npm run check

format: setup ## let the tools rewrite what they can
	ruff check --fix .
	ruff format .

bench: setup ## the benchmarks (see docs/ for what they measure)
	.venv/bin/python -m bench $(ARGS)

# No annotations of the machine that makes them: versions and hashes only, for every platform and Python from 3.11 on.
COMPILE = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
lock: setup ## make the lock files anew from pyproject.toml and package.json (UPGRADE=1 takes newer versions)
	$(COMPILE) $(if $(UPGRADE),--upgrade) pyproject.toml --group dev -o requirements-dev.lock
	$(COMPILE) pyproject.toml -c requirements-dev.lock -o requirements.lock
	$(COMPILE) pyproject.toml --group local -c requirements-dev.lock -o requirements-local.lock
	$(COMPILE) $(if $(UPGRADE),--upgrade) --group setup -o requirements-uv.lock
	$(COMPILE) $(if $(UPGRADE),--upgrade) --group node -o requirements-node.lock
	npm $(if $(UPGRADE),update,install) --package-lock-only --no-audit --no-fund

sbom: setup ## bills of materials of the image (CycloneDX), into build/
	uv tool run --quiet --from cyclonedx-bom==7.5.0 cyclonedx-py requirements --output-format JSON \
		--output-file build/sbom-python.json requirements.lock
	npm sbom --sbom-format cyclonedx --package-lock-only --omit dev > build/sbom-web.json
	@ls -l build/sbom-*.json

secrets: ## secrets for docker-compose.yml, into secrets/ (existing ones stay)
	@$(PYTHON) -m deploy.compose_secrets secrets

clean: ## remove everything that set-up made; data stays
	rm -rf .venv node_modules build services/*/static services/*/web/node_modules
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

clean-data: ## forget the data of `make run` (sites, operators, visitors, chats)
	rm -rf .data
