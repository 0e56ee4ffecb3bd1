import pytest
from ml_pipeline.adapters.git.working_tree import find_top, open_tree
from ml_pipeline.documents.faults import PipelineError

from tests.conftest import git

PATH = "experiments/waiting/experiment.yaml"


def filtered(team):
    git(team, "config", "filter.other.smudge", "sed s/seed:/SEED:/")
    git(team, "config", "filter.other.clean", "sed s/SEED:/seed:/")
    return "filter=other"


def encoded(_):
    return "working-tree-encoding=UTF-16"


def carriage_returns(_):
    return "text eol=crlf"


@pytest.mark.parametrize("convert", [filtered, encoded, carriage_returns])
def test_clean_checkout_is_read_as_flux_reads_it_whatever_it_was_made_into(team, files, convert):
    (team / ".git/info/attributes").write_text(f"*.yaml {convert(team)}\n")
    for path in git(team, "ls-files", "experiments").splitlines():
        (team / path).unlink()
    git(team, "checkout", "--", "experiments")
    assert git(team, "status", "--porcelain") == ""
    assert (team / PATH).read_bytes() != files[PATH]
    assert dict(open_tree(team)) == files


def test_folder_without_git_is_read_from_the_disk(tmp_path):
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments/x").write_bytes(b"1")
    assert dict(open_tree(tmp_path)) == {"environments/x": b"1"}


@pytest.mark.parametrize("staged", [False, True])
def test_clone_without_a_commit_is_read(tmp_path, staged):
    git(tmp_path, "init", "--quiet")
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments/x").write_bytes(b"1")
    if staged:
        git(tmp_path, "add", "--all")
    assert dict(open_tree(tmp_path)) == {"environments/x": b"1"}


def test_folder_that_is_no_checkout_is_named(tmp_path):
    with pytest.raises(PipelineError, match="holds no environments/"):
        open_tree(tmp_path)


@pytest.mark.parametrize("below", ["experiments/good/runs", "base", ".ml-pipeline/pods/x", ""])
def test_top_is_found_from_any_folder(team, below):
    (team / below).mkdir(parents=True, exist_ok=True)
    assert find_top(team / below) == team


def test_top_of_a_worktree_is_its_own(team, tmp_path):
    git(team, "worktree", "add", "--quiet", "--detach", str(tmp_path / "tree"))
    assert find_top(tmp_path / "tree/experiments/good") == tmp_path / "tree"


def test_tree_without_git_has_a_top_too(tmp_path):
    (tmp_path / "environments").mkdir()
    (tmp_path / "experiments/a").mkdir(parents=True)
    assert find_top(tmp_path / "experiments/a") == tmp_path


def test_bare_repository_below_a_clone_is_its_own_top(team):
    git(team, "init", "--quiet", "--bare", ".ml-pipeline/origin.git")
    assert find_top(team / ".ml-pipeline/origin.git") == team / ".ml-pipeline/origin.git"


def test_folder_of_no_checkout_is_left_as_it_is(tmp_path):
    assert find_top(tmp_path) == tmp_path


def test_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(
        PipelineError, match="gone is no folder; give --repo a folder of a checkout"
    ):
        find_top(tmp_path / "gone")
