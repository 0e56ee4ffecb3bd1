"""Situations of pull requests as real git repositories, each with the comment that it must get."""

import os
import subprocess
import sys

import pytest
from ml_pipeline.cli import main
from ml_pipeline.rules.review.comment import LIMIT

from tests.conftest import REPOSITORY, git
from tests.support.whole import everything, looking_at

CORPUS = sorted(path.parent for path in (REPOSITORY / "tests/corpus").glob("*/change.sh"))


def script(team, path) -> None:
    if path.exists():
        environ = {**os.environ, "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}"}
        subprocess.run(
            ["bash", "-euo", "pipefail", path],
            cwd=team,
            check=True,
            env=environ,
            capture_output=True,
        )


def committed(team, subject: str) -> None:
    git(team, "add", "--all")
    git(team, "commit", "--quiet", "--allow-empty", "--message", subject)


@pytest.fixture
def team(rendered_team, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")  # 2026-01-01
    return rendered_team


def test_there_are_enough_situations():
    assert len(CORPUS) >= 12
    assert {path.name for path in (REPOSITORY / "tests/corpus").iterdir() if path.is_dir()} == {
        path.name for path in CORPUS
    }


@pytest.mark.parametrize("situation", CORPUS, ids=lambda path: path.name)
def test_corpus_situation_gets_its_comment(team, situation, capsys):
    script(team, situation / "before.sh")
    committed(team, "Before")
    git(team, "push", "--quiet", "origin", "main")
    git(team, "checkout", "--quiet", "-b", "change")
    script(team, situation / "change.sh")
    committed(team, "Change")
    capsys.readouterr()
    code = main(["review", "--repo", str(team), "--output", "markdown"])
    said = capsys.readouterr().out
    if os.environ.get("UPDATE"):
        (situation / "comment.md").write_text(said)
    assert said == (situation / "comment.md").read_text()
    assert len(said) <= LIMIT
    with looking_at(everything):
        assert main(["review", "--repo", str(team), "--output", "markdown"]) == code
    assert capsys.readouterr().out == said
    assert code == (1 if " to mend\n" in said or ": no answer\n" in said else 0)
