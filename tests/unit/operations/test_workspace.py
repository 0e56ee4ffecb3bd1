import pytest
from ml_pipeline.cli import main
from ml_pipeline.documents.faults import InvalidDocumentsError, PipelineError
from ml_pipeline.operations.workspace import open_workspace

from tests.conftest import git


def on_release(team, environment: str) -> str:
    """A commit on a branch `release` of origin, from which an environment is reconciled; `main` says so too."""
    path = team / f"environments/{environment}/environment.yaml"
    path.write_text(f"{path.read_text()}branch: release\n")
    git(team, "commit", "--quiet", "--all", "--message", "Reconcile release")
    git(team, "push", "--quiet", "origin", "main", "main:release")
    git(team, "commit", "--quiet", "--allow-empty", "--message", "On main alone")
    git(team, "push", "--quiet", "origin", "main")
    return git(team, "rev-parse", "HEAD~")


def test_branch_of_origin_counts_where_nothing_is_embedded(team):
    workspace = open_workspace(team)
    assert (workspace.repository.remote, workspace.revision) == (
        "origin",
        git(team, "rev-parse", "origin/main"),
    )


def test_embedded_git_server_counts_where_it_is(team, tmp_path):
    git(tmp_path, "clone", "--quiet", "--bare", str(tmp_path / "origin.git"), "local.git")
    git(team, "remote", "add", "local", str(tmp_path / "local.git"))
    assert open_workspace(team).repository.remote == "local"
    assert open_workspace(team, "origin").repository.remote == "origin"


def test_work_for_a_cluster_goes_to_origin(team, tmp_path):
    git(tmp_path, "clone", "--quiet", "--bare", str(tmp_path / "origin.git"), "local.git")
    git(team, "remote", "add", "local", str(tmp_path / "local.git"))
    assert open_workspace(team, environment="local").repository.remote == "local"
    assert open_workspace(team, environment="staging").repository.remote == "origin"


def test_clone_without_remote_names_the_repair(team):
    git(team, "remote", "remove", "origin")
    with pytest.raises(PipelineError, match="`ml-pipeline up`, or add the remote"):
        open_workspace(team)


def test_broken_branch_stops_every_command(team):
    (team / "experiments/good/experiment.yaml").write_text("kind: Experiment\n")
    git(team, "commit", "--quiet", "--all", "--message", "Break")
    git(team, "push", "--quiet", "origin", "main")
    with pytest.raises(InvalidDocumentsError):
        open_workspace(team)


def test_environment_that_is_not_pushed_yet_says_so(team, capsys):
    facts = ("--url", "https://git.acme.test/x.git", "--registry", "registry.acme.test/ml")
    assert main(["init", "--repo", str(team), *facts, "--environments", "dev,prod"]) == 0
    capsys.readouterr()
    assert main(["status", "--repo", str(team), "--env", "dev"]) == 2
    assert capsys.readouterr().err == (
        "environment 'dev' is in this checkout and not on origin/main; commit and push it\n"
    )


def test_unknown_environment_lists_the_known(team):
    with pytest.raises(PipelineError, match="known are local, production, staging"):
        open_workspace(team).environment("moon")


def test_branch_of_the_environment_counts(team):
    head = on_release(team, "staging")
    workspace = open_workspace(team, environment="staging")
    assert (workspace.repository.branch, workspace.revision) == ("release", head)
    assert open_workspace(team, environment="production").repository.branch == "main"


def test_clone_from_before_the_branch_was_changed_follows_it(team):
    head = on_release(team, "staging")
    git(team, "reset", "--quiet", "--hard", "HEAD~2")
    assert open_workspace(team, environment="staging").revision == head


def test_without_an_environment_the_default_branch_counts_where_they_differ(team, tmp_path):
    head = on_release(team, "staging")
    git(tmp_path / "origin.git", "symbolic-ref", "HEAD", "refs/heads/release")
    assert open_workspace(team).revision == head


def test_file_in_the_middle_of_an_edit_does_not_stand_in_the_way(team):
    (team / "environments/staging/environment.yaml").write_text("kind: Environment\n")
    assert open_workspace(team, environment="staging").repository.branch == "main"


def test_only_branch_of_the_embedded_git_server_counts(team, tmp_path):
    git(team, "checkout", "--quiet", "-b", "trunk")
    git(tmp_path, "clone", "--quiet", "--bare", str(team), "local.git")
    git(team, "remote", "add", "local", str(tmp_path / "local.git"))
    assert open_workspace(team).repository.branch == "trunk"


def test_work_for_a_cluster_goes_to_its_branch_of_origin(team, tmp_path):
    head = on_release(team, "staging")
    git(tmp_path, "clone", "--quiet", "--bare", str(tmp_path / "origin.git"), "local.git")
    git(team, "remote", "add", "local", str(tmp_path / "local.git"))
    assert open_workspace(team, environment="staging").revision == head
