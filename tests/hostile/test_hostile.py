"""Commits of strangers as real git repositories, each with what `review` must find in it; and nothing is fetched meanwhile."""

import os

import pytest
from ml_pipeline.cli import main

from tests.conftest import REPOSITORY, git
from tests.support.whole import everything, looking_at
from tests.unit.operations.test_corpus import committed, script

COMMITS = sorted(path.parent for path in (REPOSITORY / "tests/hostile").glob("*/change.sh"))


def findings(said: str) -> str:
    """The lines before the blank one that ends them."""
    return said.partition("\n\n")[0].rstrip("\n") + "\n"


def test_there_are_enough_commits():
    assert len(COMMITS) >= 40


@pytest.mark.parametrize("commit", COMMITS, ids=lambda path: path.name)
def test_hostile_commit_is_found(rendered_team, commit, capsys, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")  # 2026-01-01
    team = rendered_team
    git(team, "checkout", "--quiet", "-b", "change")
    script(team, commit / "change.sh")
    committed(team, "Change")
    capsys.readouterr()
    code = main(["review", "--repo", str(team)])
    said = capsys.readouterr()
    found = findings(said.out)
    if os.environ.get("UPDATE"):
        (commit / "findings.txt").write_text(found)
    assert (code, said.err) == (1, "")
    with looking_at(everything):
        assert main(["review", "--repo", str(team)]) == 1
    assert capsys.readouterr() == said
    assert found == (commit / "findings.txt").read_text()
