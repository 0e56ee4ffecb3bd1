import pytest
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.environments.embedded.git_server import (
    newest_known,
    open_automation,
    open_git_server,
)

from tests.conftest import git


@pytest.fixture
def automation(team, tmp_path):
    git(tmp_path, "clone", "--quiet", "--bare", str(tmp_path / "origin.git"), "automation.git")
    return tmp_path / "automation.git"


def test_git_server_is_opened_on_the_branch_that_its_head_names(team, tmp_path):
    git(tmp_path / "origin.git", "branch", "release", "main")
    git(tmp_path / "origin.git", "symbolic-ref", "HEAD", "refs/heads/release")
    assert open_git_server(tmp_path / "origin.git").branch == "release"


def test_damaged_repository_inside_a_clone_is_not_the_clone(team):
    for place in (team / "origin.git", team / "automation.git"):
        place.mkdir()
    with pytest.raises(PipelineError, match="is damaged and has lost its branch; `ml-pipeline do"):
        open_git_server(team / "origin.git")
    with pytest.raises(PipelineError, match="is damaged; `ml-pipeline down`, `rm -rf"):
        open_automation(team / "automation.git")


def test_what_automation_has_fetched_is_newer_than_what_it_was_cloned_with(team, automation):
    repository = open_automation(automation)
    assert newest_known(repository) == "refs/heads/main"
    repository.fetch()
    assert newest_known(repository) == "refs/remotes/origin/main"


def test_automation_that_has_seen_no_branch_knows_nothing(automation):
    assert newest_known(open_automation(automation, "release")) == ""
