"""What becomes of the tree; tests/unit/operations/test_submit.py holds the rest, by the command."""

import pytest
from ml_pipeline.adapters.git.checkout import Following, follow
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.documents.changes import Changes

from tests.conftest import git

PATH = "experiments/über uns/experiment.yaml"


@pytest.fixture
def committed(team):
    """A clone with a file of that name, and a commit of the branch that changes it."""
    (team / PATH).parent.mkdir()
    (team / PATH).write_text("old\n")
    git(team, "add", "--all")
    git(team, "commit", "--quiet", "--message", "Add")
    repository = Repository(team)
    return repository, repository.commit("HEAD", Changes({PATH: b"new\n"}), "Change")


def test_file_that_git_has_is_not_removed_whatever_its_name_is(team, committed):
    git(team, "checkout", "--quiet", "-b", "topic")
    (team / PATH).write_text("new\n")
    assert follow(*committed, {}) == Following()
    assert (team / PATH).read_text() == "new\n"


def test_copy_goes_forward_with_the_branch(team, committed):
    (team / PATH).write_text("new\n")
    assert follow(*committed, {}) == Following(followed=True)
    assert git(team, "status", "--porcelain") == ""
