"""Both sides of a comparison, on real git."""

import pytest
from ml_pipeline.adapters.revisions import Overlaid, Revisions, find_top
from ml_pipeline.documents.faults import PipelineError

from tests.conftest import git

PATH = "experiments/waiting/experiment.yaml"


def compared(team, base: str = "HEAD"):
    return Revisions(team).comparison(base)


def test_unchanged_tree_is_the_same_on_both_sides(team, files):
    found = compared(team)
    assert found.changed == frozenset()
    assert dict(found.before) == dict(found.after) == files


def test_edited_file_has_both_contents(team, files):
    (team / PATH).write_bytes(b"new\n")
    found = compared(team)
    assert found.changed == {PATH}
    assert (found.before[PATH], found.after[PATH]) == (files[PATH], b"new\n")


@pytest.mark.parametrize("staged", [False, True])
def test_new_file_is_on_one_side(team, staged):
    (team / "experiments/new").mkdir()
    (team / "experiments/new/experiment.yaml").write_bytes(b"x\n")
    if staged:
        git(team, "add", "--all")
    found = compared(team)
    assert found.changed == {"experiments/new/experiment.yaml"}
    assert "experiments/new/experiment.yaml" not in found.before
    assert found.after["experiments/new/experiment.yaml"] == b"x\n"


@pytest.mark.parametrize("staged", [False, True])
def test_file_that_is_gone_is_on_the_other(team, files, staged):
    (team / PATH).unlink()
    if staged:
        git(team, "add", "--all")
    found = compared(team)
    assert PATH not in found.after
    assert found.before[PATH] == files[PATH]


def test_renamed_file_is_gone_and_new(team):
    git(team, "mv", "experiments/waiting", "experiments/moved")
    assert compared(team).changed == {PATH, "experiments/moved/experiment.yaml"}


def test_file_that_git_ignores_does_not_count(team):
    (team / ".gitignore").write_text("*.tmp\n")
    (team / "experiments/x.tmp").write_text("x")
    assert compared(team).changed == frozenset()


def test_file_outside_the_roots_does_not_count(team):
    (team / "README.md").write_text("x")
    assert compared(team).changed == frozenset()


def test_committed_change_is_compared_with_an_older_revision(team, files):
    (team / PATH).write_bytes(b"new\n")
    git(team, "commit", "--quiet", "--all", "--message", "Edit")
    found = compared(team, "HEAD~1")
    assert (found.before[PATH], found.after[PATH]) == (files[PATH], b"new\n")


def test_only_what_differs_is_read_from_git(team):
    (team / PATH).write_bytes(b"new\n")
    found = compared(team)
    (team / "experiments/good/experiment.yaml").write_bytes(b"after the comparison\n")
    assert found.before["experiments/good/experiment.yaml"] == b"after the comparison\n"


def test_fork_point_is_where_the_branch_was_left(team):
    start = git(team, "rev-parse", "HEAD")
    git(team, "checkout", "--quiet", "-b", "topic")
    git(team, "commit", "--quiet", "--allow-empty", "--message", "Mine")
    git(team, "checkout", "--quiet", "main")
    git(team, "commit", "--quiet", "--allow-empty", "--message", "Theirs")
    git(team, "checkout", "--quiet", "topic")
    assert Revisions(team).fork_point("main") == start


def test_merge_commit_is_compared_with_the_branch_that_it_goes_into(team):
    git(team, "checkout", "--quiet", "-b", "topic")
    git(team, "commit", "--quiet", "--allow-empty", "--message", "Mine")
    git(team, "checkout", "--quiet", "main")
    git(team, "commit", "--quiet", "--allow-empty", "--message", "Theirs")
    theirs = git(team, "rev-parse", "HEAD")
    git(team, "checkout", "--quiet", "--detach")
    git(team, "merge", "--quiet", "--no-ff", "--message", "Merge", "topic")
    assert Revisions(team).fork_point("main") == theirs


def test_folder_below_the_top_finds_the_repository(team):
    assert Revisions(team / "experiments").path == team


def test_bare_repository_can_be_read(team, files):
    bare = Revisions(team.parent / "origin.git")
    assert bare.read(bare.revision("main")) == files


def test_folder_without_git_is_named(tmp_path):
    with pytest.raises(
        PipelineError, match="is not in a git repository; run the command in a clone"
    ):
        Revisions(tmp_path)


@pytest.mark.parametrize("name", ["gone", "--help", "", "main^{tree}", "HEAD~99"])
def test_unknown_revision_is_named(team, name):
    with pytest.raises(PipelineError, match="is not a revision of this repository"):
        Revisions(team).revision(name)


def test_many_blobs_are_read_in_one_go(team, files):
    revisions = Revisions(team)
    listed = revisions.listing("HEAD", ["experiments"])
    assert revisions.blobs([blob for blob, _ in listed.values()]) == [
        files[path] for path in listed
    ]
    assert revisions.blobs([]) == []


def test_overlaid_files_have_the_other_content():
    found = Overlaid({"a": b"1", "b": b"2"}, {"b": b"3"})
    assert (dict(found), len(found)) == ({"a": b"1", "b": b"3"}, 2)
    assert found.get("c") is None


def test_files_of_several_revisions_come_in_one_go(team):
    git(team, "commit", "--quiet", "--allow-empty", "--message", "Again")
    names = ["HEAD:requirements.lock", "HEAD:gone.yaml", "HEAD~1:requirements.lock"]
    assert Revisions(team).contents(names) == [b"torch==2.13.0\n", None, b"torch==2.13.0\n"]
    assert Revisions(team).contents([]) == []


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
