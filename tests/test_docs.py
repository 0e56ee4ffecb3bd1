"""What the documentation shows is what there is."""

import re
import subprocess

import pytest
import yaml
from ml_pipeline.documents.schemas import reference
from ml_pipeline.operations import demo

from tests.conftest import REPOSITORY, git

PAGES = sorted(
    path
    for path in REPOSITORY.rglob("*.md")
    if not {".venv", ".venv-serving", ".venv-airflow", ".cache", ".ml-pipeline"}
    & set(path.relative_to(REPOSITORY).parts)
)
README = (REPOSITORY / "README.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_pages_are_short(page):
    limit = (
        80
        if "decisions" in page.parts
        else {"reference.md": 400, "commands.md": 400, "comment.md": 300}.get(page.name, 200)
    )
    assert len(page.read_text().splitlines()) <= limit


def test_reference_is_current():
    assert (REPOSITORY / "docs/reference.md").read_bytes() == reference(), (
        "run `ml-pipeline schemas`"
    )


def test_first_command_stands_early():
    assert README.splitlines().index("$ make demo") < 30


def test_shown_timeline_has_the_steps_of_the_demo():
    source = (REPOSITORY / "scripts/ml_pipeline/operations/demo.py").read_text()
    steps = re.findall(r'demo\.step\("([^"]+)"\)', source)
    assert len(steps) == 9
    assert [step for step in steps if step not in README] == []


def test_tree_names_every_folder():
    folders = {
        path.split("/")[0] for path in git(REPOSITORY, "ls-files").splitlines() if "/" in path
    } - {".ci"}
    shown = set(re.findall(r"^(\S+)/ {2,}", README, re.MULTILINE))
    assert shown == folders


def test_exit_codes_are_those_of_the_command_line():
    from ml_pipeline import cli

    for code, meaning in (
        (0, "in the desired state"),
        (1, "findings or drift"),
        (2, "wrong usage or invalid input"),
        (3, "a bug here"),
        (130, "interrupted"),
    ):
        assert f"{code} {meaning}" in cli.__doc__
        assert f"| {code} | {meaning}" in README


def test_every_make_target_says_what_it_does():
    makefile = (REPOSITORY / "Makefile").read_text()
    public = set(re.search(r"\.PHONY: (.*)", makefile)[1].split())
    assert public == set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))


def test_decisions_have_their_parts():
    for page in (REPOSITORY / "docs/decisions").glob("*.md"):
        assert all(
            part in page.read_text()
            for part in ("Status: ", "Date: ", "## Context", "## Choice", "## Consequences")
        ), page.name


@pytest.mark.parametrize(
    "workflow",
    sorted((REPOSITORY / ".github/workflows").glob("*.yaml")),
    ids=lambda path: path.stem,
)
def test_workflows_call_make_and_are_pinned(workflow):
    data = yaml.safe_load(workflow.read_text())
    steps = [step for job in data["jobs"].values() for step in job["steps"]]
    assert data["permissions"] == {}
    assert all(re.search(r"@[0-9a-f]{40}$", step["uses"]) for step in steps if "uses" in step)
    assert all(step["run"].startswith(("make ", "test ")) for step in steps if "run" in step)
    assert all("timeout-minutes" in job for job in data["jobs"].values())


def test_help_of_make_is_self_describing():
    done = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(done.stdout.splitlines()) == len(
        re.findall(r"^[a-z-]+:.*## ", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    )


def test_demo_is_documented_where_it_lives():
    assert "temporary clone" in demo.__doc__


def test_shown_comment_is_the_one_of_the_corpus():
    page = (REPOSITORY / "docs/tasks/read-a-review.md").read_text()
    assert (REPOSITORY / "tests/corpus/changed-seed/comment.md").read_text().strip() in page


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_named_modules_are_there(page):
    package = REPOSITORY / "scripts/ml_pipeline"
    named = re.findall(r"`([\w./-]+/)`|`([\w./-]+\.py)`", (REPOSITORY / page).read_text())
    rooms = {path.name for path in package.iterdir()}
    places = [file or folder for folder, file in named if file or folder.split("/")[0] in rooms]
    assert places
    assert [p for p in places if not any((top / p).exists() for top in (package, REPOSITORY))] == []
