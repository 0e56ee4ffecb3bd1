"""Workflows call make targets and nothing else, are safe for forks, and their steps run in a fresh clone."""

import os
import re
import subprocess

import pytest
import yaml

from tests.conftest import REPOSITORY, git

WORKFLOWS = {
    path.stem: yaml.safe_load(path.read_text())
    for path in sorted((REPOSITORY / ".github/workflows").glob("*.yaml"))
}
PULL_REQUEST = WORKFLOWS["pull-request"]


def steps(workflow: dict) -> list[dict]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("workflow", WORKFLOWS.values(), ids=WORKFLOWS)
def test_nothing_is_allowed_unless_a_job_says_so(workflow):
    assert workflow["permissions"] == {}
    assert "group" in workflow["concurrency"]
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())


@pytest.mark.parametrize("workflow", WORKFLOWS.values(), ids=WORKFLOWS)
def test_actions_are_pinned_by_sha(workflow):
    assert [
        step["uses"]
        for step in steps(workflow)
        if "uses" in step and not re.search(r"@[0-9a-f]{40}$", step["uses"])
    ] == []


@pytest.mark.parametrize("workflow", WORKFLOWS.values(), ids=WORKFLOWS)
def test_steps_call_make_and_nothing_else(workflow):
    commands = [step["run"] for step in steps(workflow) if "run" in step]
    assert commands
    assert [
        command
        for command in commands
        if not re.fullmatch(r"make [a-z-]+|test \"\$RESULTS\" = \"[a-z ]+\"", command)
    ] == []


@pytest.mark.parametrize("workflow", WORKFLOWS.values(), ids=WORKFLOWS)
def test_files_are_short(workflow):
    name = next(name for name, found in WORKFLOWS.items() if found is workflow)
    assert len((REPOSITORY / f".github/workflows/{name}.yaml").read_text().splitlines()) <= 80


def test_code_of_a_pull_request_never_sees_a_secret_or_a_right_to_write():
    assert list(PULL_REQUEST[True]) == [
        "pull_request"
    ]  # YAML 1.1 reads the key `on` as a truth value
    text = (REPOSITORY / ".github/workflows/pull-request.yaml").read_text()
    assert "secrets." not in text
    assert "github.token" not in text
    assert {
        value
        for job in PULL_REQUEST["jobs"].values()
        for value in job.get("permissions", {}).values()
    } <= {"read"}
    assert all(
        step["with"]["persist-credentials"] is False
        for step in steps(PULL_REQUEST)
        if "checkout" in step.get("uses", "")
    )


def test_comment_is_posted_even_where_the_checks_have_failed():
    upload = next(
        step
        for step in PULL_REQUEST["jobs"]["review"]["steps"]
        if "upload-artifact" in step.get("uses", "")
    )
    assert upload["if"] == "always()"
    (job,) = WORKFLOWS["comment"]["jobs"].values()
    assert "success" not in job["if"]
    assert (
        next(step for step in job["steps"] if "download-artifact" in step.get("uses", ""))[
            "continue-on-error"
        ]
        is True
    )


def test_gate_asks_for_every_other_job():
    jobs = PULL_REQUEST["jobs"]
    assert set(jobs["gate"]["needs"]) == set(jobs) - {"gate"}
    assert jobs["gate"]["steps"][0]["run"].count("success") == len(jobs) - 1


def test_files_that_machines_write_are_marked_and_no_others():
    listed = git(
        REPOSITORY,
        "ls-files",
        "environments",
        "experiments",
        "schemas",
        "docs",
        "base",
        "requirements.lock",
    ).splitlines()
    answers = git(REPOSITORY, "check-attr", "linguist-generated", "--", *listed).splitlines()
    marked = {line.split(": ")[0] for line in answers if line.endswith(": set")}
    people = re.compile(
        r"experiments/[^/]+/experiment\.yaml|environments/[^/]+/(environment|promotions/[^/]+)\.yaml|base/.*|docs/(?!reference\.md).*"
    )
    assert {path for path in listed if not people.fullmatch(path)} == marked


@pytest.mark.slow
def test_steps_of_the_pull_request_run_in_a_fresh_clone(tmp_path):
    """`make test` is given one file of tests, or this test would run itself."""
    git(tmp_path, "clone", "--quiet", str(REPOSITORY), "clone")
    clone = tmp_path / "clone"
    environ = {
        key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "GITHUB"))
    }
    environ |= {
        "UV_CACHE_DIR": str(REPOSITORY / ".cache/uv"),
        "ARGS": "tests/test_cli.py",
        "GITHUB_ACTIONS": "true",
    }
    environ |= {"RESULTS": "success success success"}

    def run(command: str, **more: str) -> str:
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", command],
            cwd=clone,
            env=environ | more,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    path = clone / "experiments/digits-mlp/experiment.yaml"
    path.write_text(
        path.read_text().replace("memory: 2Gi", "memory: 3Gi").replace("seed: 7", "seed: 8")
    )
    run(
        "make checks && .venv/bin/ml-pipeline render && git commit --quiet --all --message 'Another seed'"
    )
    base = f"origin/{git(REPOSITORY, 'rev-parse', '--abbrev-ref', 'HEAD')}"
    said = {}
    for job in PULL_REQUEST["jobs"].values():
        for step in (step for step in job["steps"] if "run" in step):
            said[step["run"]] = run(
                step["run"], BASE=base, COMMENT=step.get("env", {}).get("COMMENT", "")
            )
    assert list(said) == [
        "make review",
        "make check",
        "make test",
        'test "$RESULTS" = "success success success"',
    ]
    assert "trains digits-mlp once its data is there" in (clone / "build/review.md").read_text()
