"""Which branch a working tree is compared with, and what becomes of the files that the embedded environment made."""

import re

import pytest
from ml_pipeline.cli import main

from tests.conftest import git

RECEIPT = "experiments/better/runs/c39d9a14b0.yaml"
ANOTHER = "compared with local/main, whose commits this holds; what a pull request would say: --base origin/main"


@pytest.fixture
def laptop(rendered_team, monkeypatch):
    """A clone whose embedded environment has committed a receipt that `origin` does not have."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")  # 2026-01-01
    own = rendered_team / ".git/local.git"
    git(rendered_team, "clone", "--quiet", "--bare", ".", str(own))
    git(rendered_team, "remote", "add", "local", str(own))
    git(rendered_team, "worktree", "add", "--quiet", "--detach", str(rendered_team.parent / "its"))
    receipt = rendered_team.parent / "its" / RECEIPT
    receipt.write_text(receipt.read_text() + "# measured here\n")
    git(receipt.parent, "commit", "--quiet", "--all", "--message", "Settle better")
    git(receipt.parent, "push", "--quiet", str(own), "HEAD:main")
    git(rendered_team, "fetch", "--quiet", "local")
    return rendered_team


def answer(clone, capsys, *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main([*arguments, "--repo", str(clone)])
    return code, *capsys.readouterr()


@pytest.mark.parametrize("command", ["review", "diff"])
def test_what_was_pulled_of_the_environment_is_no_change(laptop, capsys, command):
    git(laptop, "merge", "--quiet", "--ff-only", "local/main")
    code, out, err = answer(laptop, capsys, command)
    assert (code, out) == (0, "nothing changes\n")
    assert ANOTHER in err


def test_what_was_not_pulled_is_not_compared_with(laptop, capsys):
    assert answer(laptop, capsys, "review") == (0, "nothing changes\n", "")


def test_environments_receipt_is_no_forgery_where_origin_is_asked(laptop, capsys):
    git(laptop, "merge", "--quiet", "--ff-only", "local/main")
    code, out, _ = answer(laptop, capsys, "review", "--base", "origin/main")
    assert code == 1
    assert f"{RECEIPT}:1: is what local/main holds, and stays there" in out
    assert "restore" not in out


def test_receipt_that_the_environment_does_not_hold_so_is_one(laptop, capsys):
    git(laptop, "merge", "--quiet", "--ff-only", "local/main")
    (laptop / RECEIPT).write_text((laptop / RECEIPT).read_text() + "# by hand\n")
    code, out, _ = answer(laptop, capsys, "review")
    assert code == 1
    assert "is automation's file, and this edits it; restore it from git" in out


def test_head_is_held_to_origin_alone(laptop, capsys):
    code, out, err = answer(laptop, capsys, "review", "--head", "local/main")
    assert (code, err) == (1, "")
    assert "is automation's file, and this edits it; restore it from git" in out


def test_persons_file_goes_to_origin_without_the_receipts(laptop):
    git(laptop, "merge", "--quiet", "--ff-only", "local/main")
    path = laptop / "experiments/wider/experiment.yaml"
    path.parent.mkdir()
    text = (laptop / "experiments/waiting/experiment.yaml").read_text()
    text = text.replace("name: waiting", "name: wider").replace("seed: 7", "seed: 8")
    # Another's image is none of this clone: `submit` pins its own.
    path.write_text(re.sub(r"image:.*\n", "", text))
    submit = ["submit", "--repo", str(laptop), str(path), "--remote", "origin", "--merge"]
    assert main(submit) == 0
    git(laptop, "fetch", "--quiet", "origin")
    changed = git(laptop, "diff", "--name-only", "origin/main~", "origin/main").splitlines()
    assert "experiments/wider/experiment.yaml" in changed
    assert RECEIPT not in changed
