"""Workflows call make targets and nothing else, are safe for forks, and their steps run in a fresh clone."""

import os
import re
import subprocess

import pytest
import yaml

from tests.conftest import REPOSITORY, git
from tests.unit.adapters.test_github import api, stand_in  # noqa: F401  fixtures

WORKFLOWS = {
    path.stem: yaml.safe_load(path.read_text())
    for path in sorted((REPOSITORY / ".github/workflows").glob("*.yaml"))
}
PULL_REQUEST = WORKFLOWS["pull-request"]
COMMENT = WORKFLOWS["comment"]


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


def test_workflow_with_a_token_takes_nothing_of_the_pull_request_but_its_number_and_commit():
    """What it runs is the default branch's, what it knows comes from GitHub, and no artifact is read."""
    assert list(COMMENT[True]) == ["pull_request_target"]
    (job,) = COMMENT["jobs"].values()
    used = {step["uses"].partition("@")[0]: step for step in job["steps"] if "uses" in step}
    assert set(used) == {"actions/checkout", "actions/setup-python"}
    checkout = used["actions/checkout"]["with"]
    assert checkout["ref"] == "${{ github.event.repository.default_branch }}"
    assert checkout["persist-credentials"] is False
    text = (REPOSITORY / ".github/workflows/comment.yaml").read_text()
    assert set(re.findall(r"github\.event\.[\w.]+", text)) == {
        "github.event.repository.default_branch",
        "github.event.pull_request.number",
        "github.event.pull_request.head.sha",
        "github.event.pull_request.base.ref",
    }
    assert not [
        step for step in job["steps"] if "${{" in step.get("run", "")
    ]  # values reach the shell by the environment alone
    assert job["permissions"] == {"contents": "read", "pull-requests": "write"}


def test_token_is_in_no_step_that_installs_or_reads_what_others_wrote():
    (job,) = COMMENT["jobs"].values()
    with_token = [step["run"] for step in job["steps"] if "GITHUB_TOKEN" in step.get("env", {})]
    assert with_token == ["make head", "make comment"]
    assert "GITHUB_TOKEN" not in job["env"]


def test_comment_is_posted_even_where_the_review_has_findings_and_the_newest_stays():
    (job,) = COMMENT["jobs"].values()
    (review,) = (step for step in job["steps"] if step.get("run") == "make review")
    assert review["continue-on-error"] is True
    assert review["timeout-minutes"] < job["timeout-minutes"]
    assert COMMENT["concurrency"] == {
        "group": "comment-${{ github.event.pull_request.number }}",
        "cancel-in-progress": True,
    }


def test_no_workflow_uploads_or_downloads_what_a_pull_request_wrote():
    assert [
        step["uses"]
        for name in ("pull-request", "comment")
        for step in steps(WORKFLOWS[name])
        if "artifact" in step.get("uses", "")
    ] == []


def targets(command: str) -> set[str]:
    """The targets of the Makefile that a step's command makes, with all that they need."""
    text = (REPOSITORY / "Makefile").read_text()
    needs = dict(re.findall(r"^([a-z./-]+): ([^#\n]*)", text, re.MULTILINE))
    found: set[str] = set()
    waiting = command.removeprefix("make ").split()
    while waiting:
        target = waiting.pop()
        found.add(target)
        waiting += [name for name in needs.get(target, "").split() if name not in found]
    return found


def recipe(target: str) -> str:
    text = (REPOSITORY / "Makefile").read_text()
    match = re.search(rf"^{re.escape(target)}:.*\n((?:\t.*\n)*)", text, re.MULTILINE)
    return match[1] if match else ""


INSTALLS = re.compile(r"setup\.sh|pip |\buv\b|docker buildx build")


@pytest.mark.parametrize("workflow", WORKFLOWS.values(), ids=WORKFLOWS)
def test_step_that_has_a_token_installs_nothing(workflow):
    """Whoever gets a file into an index, or into a build, would read it."""
    with_token = [
        step["run"]
        for step in steps(workflow)
        if "run" in step
        and re.search(r"secrets\.|github\.token", str(step.get("env", {})) + step["run"])
    ]
    installing = [
        (command, target)
        for command in with_token
        for target in targets(command)
        if INSTALLS.search(recipe(target))
    ]
    assert installing == []


def test_what_installs_is_recognized():
    for command in ("make check", "make review", "make image"):
        assert any(INSTALLS.search(recipe(target)) for target in targets(command)), command


@pytest.mark.parametrize("workflow", WORKFLOWS.values(), ids=WORKFLOWS)
def test_secrets_stand_in_a_step_and_nowhere_wider(workflow):
    """`env` of a workflow or a job would reach every step."""
    wide = [workflow.get("env"), *(job.get("env") for job in workflow["jobs"].values())]
    assert not re.search(r"secrets\.|github\.token", str(wide))


@pytest.mark.parametrize("workflow", WORKFLOWS.values(), ids=WORKFLOWS)
def test_every_runner_is_githubs(workflow):
    """A runner inside the cluster would run what a pull request says, with the cluster's rights."""
    assert {job["runs-on"] for job in workflow["jobs"].values()} == {"ubuntu-24.04"}


def test_images_are_pushed_with_sbom_and_provenance_and_attested():
    (job,) = WORKFLOWS["image"]["jobs"].values()
    assert job["permissions"] == {
        "contents": "read",
        "packages": "write",
        "id-token": "write",
        "attestations": "write",
    }
    assert "--attest type=provenance,mode=max" in recipe("image")
    assert '--attest "type=sbom' in recipe("image")
    (attest,) = (s for s in job["steps"] if "attest-build-provenance" in s.get("uses", ""))
    assert attest["with"]["subject-digest"] == "${{ steps.image.outputs.digest }}"
    assert {path.parent.name for path in REPOSITORY.glob("*/Dockerfile")} == set(
        job["strategy"]["matrix"]["name"]
    )


CHECKS = (
    "Makefile",
    "pyproject.toml",
    "requirements.lock",
    "requirements-cpu.lock",
    "requirements-airflow.lock",
    ".gitattributes",
    ".ci",
    "scripts",
    "base",
    ".github",
    "tests/hostile",
    "tests/fixtures/policies",
    "schemas",
    "trainer",
    "serving",
    "dags",
)


def owners(path: str) -> list[str]:
    """Who is asked before a change of a file: the last rule of CODEOWNERS that matches, as GitHub reads it."""
    found: list[str] = []
    for line in (REPOSITORY / ".github/CODEOWNERS").read_text().splitlines():
        pattern, *names = line.partition("#")[0].split() or [""]
        expression = re.escape(pattern).replace(r"\*", "[^/]*").removeprefix("/")
        end = ".*" if pattern.endswith("/") else "(/.*)?"
        if pattern and re.fullmatch(expression + end, path):
            found = names
    return found


@pytest.mark.parametrize("root", CHECKS)
def test_what_can_change_the_checks_has_an_owner(root):
    listed = git(REPOSITORY, "ls-files", "--", root).splitlines()
    assert listed
    assert [path for path in listed if not owners(path)] == []


def test_experiments_have_no_owner_but_their_writer():
    assert owners("experiments/digits-mlp/experiment.yaml") == []


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
        "requirements*.lock",
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
            said[step["run"]] = run(step["run"], BASE=base)
    assert list(said) == [
        "make review",
        "make check",
        "make test",
        'test "$RESULTS" = "success success success"',
    ]
    assert "trains digits-mlp once its data is there" in (clone / "build/review.md").read_text()


def test_steps_of_the_comment_run_in_a_fresh_clone_and_post_it(tmp_path, stand_in, api):  # noqa: F811
    """On a commit of a fork with a Makefile of its own. `make checks` finds what is installed here."""
    git(tmp_path, "clone", "--quiet", "--bare", str(REPOSITORY), "origin.git")
    branch = git(REPOSITORY, "rev-parse", "--abbrev-ref", "HEAD").strip()
    head = fork_of(tmp_path, branch)
    stand_in.pull["head"]["sha"] = head
    git(tmp_path, "clone", "--quiet", "--branch", branch, f"file://{tmp_path}/origin.git", "clone")
    clone = tmp_path / "clone"
    (clone / ".venv").symlink_to(REPOSITORY / ".venv")
    for name in ("requirements.lock", "pyproject.toml", "scripts/setup.sh"):
        os.utime(clone / name, (0, 0))  # newer than what is installed, they would install anew
    known = {"${{ github.token }}": "t", "${{ github.repository }}": "o/r"}
    known |= {
        "${{ github.event.pull_request.number }}": "7",
        "${{ github.event.pull_request.head.sha }}": head,
        "origin/${{ github.event.pull_request.base.ref }}": f"origin/{branch}",
    }
    (job,) = COMMENT["jobs"].values()
    environ = {
        key: it for key, it in os.environ.items() if not key.startswith(("PYTEST", "GITHUB"))
    }
    environ |= {"GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": "https://github.com"}
    environ |= {"GITHUB_API_URL": api}
    for step in (step for step in job["steps"] if "run" in step):
        more = {key: known.get(it, it) for key, it in {**job["env"], **step.get("env", {})}.items()}
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", step["run"]],
            cwd=clone,
            env=environ | more,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0 or step.get("continue-on-error"), (step, done.stderr)
    (posted,) = stand_in.comments
    assert "experiments/surprise/experiment.yaml:1:" in posted["body"]
    assert f"This is about the commit `{head}`." in posted["body"]
    assert not (tmp_path / "trap").exists()
    assert git(clone, "status", "--porcelain", "--untracked-files=no") == ""
    assert not (clone / "experiments/surprise").exists()


def fork_of(tmp_path, branch: str) -> str:
    """A commit that is pushed as pull request 7: a hostile Makefile and setup, and an experiment with a mistake."""
    git(tmp_path, "clone", "--quiet", "--branch", branch, "origin.git", "fork")
    fork = tmp_path / "fork"
    trap = f"$(shell touch {tmp_path}/trap)\n"
    for path in ("Makefile", "scripts/setup.sh", "scripts/ml_pipeline/__init__.py"):
        (fork / path).write_text(trap)
    (fork / "experiments/surprise").mkdir()
    (fork / "experiments/surprise/experiment.yaml").write_text("'@team': 1\n")
    git(fork, "add", "--all")
    git(fork, "commit", "--quiet", "--message", "Surprise")
    git(fork, "push", "--quiet", "origin", "HEAD:refs/pull/7/head")
    return git(fork, "rev-parse", "HEAD").strip()
