import pytest
from ml_pipeline.adapters.git import Repository
from ml_pipeline.cli import main
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.rules.serving import state

from tests.conftest import git

GOOD, WEAK = "good/31a4e76e1a", "weak/e96261b1e3"


@pytest.fixture
def promoted(team):
    """The team with a promotion of `good` over `better`, on top of what the fixtures promote."""
    assert main(["promote", "--repo", str(team), "good", "--steps", "100"]) == 0
    return team


def weights(team):
    repository = Repository(team)
    return state(load_snapshot(repository.read(repository.fetch())), "local", "digits").weights


def test_newest_promotion_is_reverted(promoted, capsys):
    assert main(["rollback", "--repo", str(promoted), "digits"]) == 0
    assert "reverted" in capsys.readouterr().out
    assert weights(promoted) == {"good/31a4e76e1a": 90, "better/c39d9a14b0": 10}


def test_revert_is_the_plain_one_of_git(promoted):
    main(["rollback", "--repo", str(promoted), "digits"])
    git(promoted, "fetch", "--quiet", "origin")
    assert git(promoted, "log", "-1", "--format=%s", "origin/main").startswith(
        'Revert "Promote digits to good'
    )


def test_checkout_and_worktrees_are_left_alone(promoted):
    main(["rollback", "--repo", str(promoted), "digits"])
    assert git(promoted, "status", "--porcelain") == ""
    assert len(git(promoted, "worktree", "list").splitlines()) == 1


def test_model_that_is_not_promoted_is_named(promoted, capsys):
    assert main(["rollback", "--repo", str(promoted), "letters"]) == 2
    assert "'letters' is not promoted in local" in capsys.readouterr().err
