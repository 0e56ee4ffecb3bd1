# Every command that people and CI run. `make` alone prints this list.
.DEFAULT_GOAL := help
SHELL := /bin/bash
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
comma := ,

.PHONY: help setup airflow demo test test-slow test-cluster test-airflow bench bench-cluster bench-airflow check format lock clean checks review head comment image-login image
export BASE ?= origin/main
export COMMENT ?= build/review.md

help: ## print this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.ready ## install everything, each file by its digest, into .venv and .venv-serving (TORCH=auto|cpu|gpu)

.venv/.ready: requirements.lock requirements-cpu.lock pyproject.toml scripts/setup.sh
	@scripts/setup.sh

airflow: .venv-airflow/.ready ## install Airflow, which starts recurring retraining, into .venv-airflow

.venv-airflow/.ready: .venv/.ready requirements-airflow.lock pyproject.toml scripts/setup.sh
	@PARTS=airflow scripts/setup.sh

demo: setup ## run the whole loop for real in a temporary clone (KEEP=1 leaves it up)
	@$(BIN)/ml-pipeline demo $(if $(KEEP),--keep)

test: setup ## run the tests (under 6 minutes)
	@$(PYTEST) -m "not slow and not cluster and not airflow" -n 2 --dist loadfile $(ARGS)

test-slow: setup ## run the tests that kill, revert and load a real environment
	@$(PYTEST) -m slow $(ARGS)

test-cluster: setup ## run the tests on a real Kubernetes with Flux, where one is at hand
	@$(PYTEST) -m cluster $(ARGS)

test-airflow: airflow ## run the tests of the DAGs, some with a real scheduler that is killed
	@.venv-airflow/bin/python -m pytest -m airflow tests/airflow $(ARGS)

bench: setup ## print the figures of docs/benchmarks.md
	@$(PYTEST) -m slow tests/figures/test_environment.py $(ARGS)
	@SIZES=100,1000,4000,10000 $(PYTEST) -m slow tests/figures/test_reviews.py $(ARGS)
	@SIZES=100,400,1000 $(PYTEST) -m slow tests/figures/test_settling.py tests/embedded/test_results.py $(ARGS)

bench-cluster: setup ## print the figures of docs/benchmarks.md that need a cluster
	@TRIES=20 KILLS=60 RECONCILIATIONS=300 $(PYTEST) -m cluster tests/cluster/test_figures.py tests/cluster/test_exactly_once.py tests/cluster/test_kills.py $(ARGS)
	@for shards in 1 8; do SHARDS=$$shards SIZES=100,300,1000 $(PYTEST) -m cluster tests/cluster/test_scale.py $(ARGS); done

bench-airflow: airflow ## print the figures of docs/benchmarks.md that need Airflow
	@KILLS=100 .venv-airflow/bin/python -m pytest -m airflow tests/airflow/test_figures.py tests/airflow/test_scheduler.py tests/airflow/test_kills.py $(ARGS)

check: setup ## lint, types, import contracts, documents, rendered files, schemas
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo >/dev/null || $(BIN)/lint-imports --no-logo
	@$(BIN)/hadolint trainer/Dockerfile serving/Dockerfile scripts/Dockerfile
	@$(BIN)/zizmor --offline --quiet --no-progress .github/workflows
	@$(BIN)/actionlint -shellcheck= -pyflakes=
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/experiment.yml
	@$(BIN)/ml-pipeline validate
	@$(BIN)/ml-pipeline render --check
	@$(BIN)/ml-pipeline policy
	@$(BIN)/ml-pipeline schemas --check

review: checks ## answer a pull request as CI does (BASE=origin/main)
	@$(BIN)/ml-pipeline review --base "$$BASE" --comment "$$COMMENT" $(if $(HEAD),--head "$$HEAD",$(if $(GITHUB_ACTIONS),--annotations))

# What workflows call beside that: variables come from them, and reach the shell as such.
checks: .venv/.checks ## install only what answering a pull request needs

.venv/.checks: requirements.lock pyproject.toml scripts/setup.sh
	@PARTS=checks scripts/setup.sh

# Objects alone: no checkout, so no filter or hook has a say. The token goes by the environment, which other users cannot list.
head: ## fetch the commits of PULL_REQUEST, and check nothing out
	@if [ -n "$$GITHUB_TOKEN" ]; then \
	  export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0="http.$$GITHUB_SERVER_URL/.extraheader"; \
	  GIT_CONFIG_VALUE_0="AUTHORIZATION: basic $$(printf 'x-access-token:%s' "$$GITHUB_TOKEN" | base64 -w0)"; export GIT_CONFIG_VALUE_0; \
	fi; \
	git fetch --quiet --no-tags --no-recurse-submodules --no-write-fetch-head origin "+refs/pull/$$PULL_REQUEST/head:refs/pull/$$PULL_REQUEST/head"

comment: ## post COMMENT on PULL_REQUEST, where HEAD is its newest commit
	@$(BIN)/ml-pipeline comment "$$COMMENT" --repository "$$REPOSITORY" --pull-request "$$PULL_REQUEST" --head "$$HEAD" --run "$$RUN"

image-login: ## log Docker in to REGISTRY, for make image; the only step that gets the token
	@printf %s "$$REGISTRY_TOKEN" | docker login --username "$$REGISTRY_USER" --password-stdin "$${REGISTRY%%/*}"

image: ## build the image NAME with SBOM and provenance, push it to REGISTRY, print what to pin
	@docker buildx inspect ml-pipeline >/dev/null 2>&1 || docker buildx create --name ml-pipeline \
	  --driver docker-container $(if $(BUILDKIT_IMAGE),--driver-opt "image=$$BUILDKIT_IMAGE") >/dev/null
	@mkdir -p build
	@docker buildx build --builder ml-pipeline --push --file "$$NAME/Dockerfile" --build-arg PYTHON="$$PYTHON_IMAGE" \
	  --attest "type=sbom$(if $(SBOM_GENERATOR),$(comma)generator=$$SBOM_GENERATOR)" --attest type=provenance,mode=max \
	  --tag "$$REGISTRY/$$NAME:$$(git rev-parse HEAD)" --metadata-file build/image.json .
	@digest="$$(sed -n 's/.*"containerimage.digest": "\(.*\)".*/\1/p' build/image.json)"; \
	  echo "pin $$digest"; \
	  if [ -n "$$GITHUB_OUTPUT" ]; then echo "digest=$$digest" >>"$$GITHUB_OUTPUT"; fi

format: setup ## format the code and bring rendered files and schemas up to date
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ml-pipeline schemas
	@$(BIN)/ml-pipeline render

lock: setup ## resolve the versions of pyproject.toml anew
	@$(BIN)/uv pip compile --quiet pyproject.toml --group local --group trainer --group serving --group dev --group setup \
	  --generate-hashes --no-annotate --no-header --upgrade \
	  --python-version 3.11 --python-platform x86_64-manylinux_2_36 --output-file requirements.lock
	@$(BIN)/uv pip compile --quiet pyproject.toml --group airflow-tests --group setup \
	  --generate-hashes --no-annotate --no-header --upgrade \
	  --python-version 3.11 --python-platform x86_64-manylinux_2_36 --output-file requirements-airflow.lock
	@grep -o '^torch==[^ ]*' requirements.lock | $(BIN)/uv pip compile --quiet --no-deps --generate-hashes --no-annotate --no-header \
	  --torch-backend cpu --python-version 3.11 --python-platform x86_64-manylinux_2_36 --output-file requirements-cpu.lock -

clean: ## remove what setup and the embedded environment have made
	@if [ -d .ml-pipeline ]; then $(BIN)/ml-pipeline down; fi
	@rm -rf .venv .venv-serving .venv-airflow .cache .ml-pipeline .mypy_cache .ruff_cache .hypothesis
