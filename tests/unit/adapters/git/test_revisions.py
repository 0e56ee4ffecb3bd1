import pytest
from ml_pipeline.adapters.git.revisions import Revisions
from ml_pipeline.documents.faults import PipelineError

from tests.conftest import git

PATH = "experiments/waiting/experiment.yaml"


def test_content_that_a_path_had_before_is_known_wherever_it_went(team, files):
    (team / PATH).write_bytes(b"new\n")
    git(team, "commit", "--quiet", "--all", "--message", "Edit")
    git(team, "rm", "--quiet", PATH)
    git(team, "commit", "--quiet", "--message", "Remove")
    revisions = Revisions(team)
    assert revisions.restored("HEAD", {PATH: files[PATH]}) == {PATH}
    assert revisions.restored("HEAD", {PATH: b"new\n", "gone": b"x"}) == {PATH}
    assert revisions.restored("HEAD", {PATH: b"another\n"}) == frozenset()
    assert revisions.restored("HEAD", {}) == frozenset()


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


def test_files_of_several_revisions_come_in_one_go(team):
    git(team, "commit", "--quiet", "--allow-empty", "--message", "Again")
    names = ["HEAD:requirements.lock", "HEAD:gone.yaml", "HEAD~1:requirements.lock"]
    assert Revisions(team).contents(names) == [b"torch==2.13.0\n", None, b"torch==2.13.0\n"]
    assert Revisions(team).contents([]) == []
