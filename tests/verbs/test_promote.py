import pytest
from ml_pipeline.adapters.git import Repository
from ml_pipeline.cli import main
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.snapshot import Snapshot, load_snapshot
from ml_pipeline.local.state import State
from ml_pipeline.rules.render import Changes
from ml_pipeline.rules.serving import state
from ml_pipeline.verbs.promote import find_run, steps_from
from ml_pipeline.verbs.up import open_origin

from tests.conftest import git

GOOD, BETTER = "good/31a4e76e1a", "better/c39d9a14b0"


@pytest.fixture
def fresh(team):
    """The team before anything was promoted."""
    repository = Repository(team)
    parent = repository.fetch()
    promoted = frozenset(
        p
        for p in repository.read(parent)
        if "/promotions/" in p or "/rollouts/" in p or "/serving/digits/" in p
    )
    repository.push(repository.commit(parent, Changes({}, promoted), "Take everything out"), parent)
    return team


def promote(team, *arguments: str) -> int:
    return main(["promote", "--repo", str(team), *arguments])


def head(team) -> Snapshot:
    repository = Repository(team)
    return load_snapshot(repository.read(repository.fetch()))


def test_first_promotion_gets_all_of_the_traffic(fresh):
    assert promote(fresh, GOOD) == 0
    assert state(head(fresh), "local", "digits").weights == {GOOD: 100}


def test_second_promotion_begins_as_a_canary(fresh):
    promote(fresh, GOOD)
    assert promote(fresh, BETTER, "--steps", "10,100") == 0
    assert state(head(fresh), "local", "digits").weights == {GOOD: 90, BETTER: 10}


def test_automation_s_component_comes_in_its_own_commit(fresh):
    promote(fresh, GOOD)
    git(fresh, "fetch", "--quiet", "origin")
    log = git(fresh, "log", "-2", "--format=%an: %s", "origin/main").splitlines()
    assert log == [
        "Ada: Promote digits to good/31a4e76e1a in local",
        "ml-pipeline: Open the rollouts of digits",
    ]


def test_name_of_an_experiment_means_its_newest_run(fresh):
    promote(fresh, "good")
    assert state(head(fresh), "local", "digits").promotion.run == GOOD


def test_promoting_again_changes_nothing(fresh, capsys):
    promote(fresh, GOOD)
    before = Repository(fresh).fetch()
    assert promote(fresh, GOOD) == 0
    assert "promoted already" in capsys.readouterr().out
    assert Repository(fresh).fetch() == before


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ("weak/e96261b1e3", "fails its gate"),
        ("broken/970e519fc8", "failed"),
        ("nobody", "has no receipt of a run"),
    ],
)
def test_run_that_may_not_serve_is_refused(fresh, capsys, run, message):
    before = head(fresh).promotions
    assert promote(fresh, run) == 2
    assert message in capsys.readouterr().err
    assert head(fresh).promotions == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--steps", "50,10,100"), "steps: [50, 10, 100] must rise from step to step; sort them"),
        (("--steps", "10,50"), "steps: [10, 50] must end with 100"),
        (("--min-requests", "0"), "min_requests: '0' must be at least 1; raise it"),
    ],
)
def test_rollout_that_breaks_a_rule_is_refused(fresh, capsys, options, message):
    before = Repository(fresh).fetch()
    assert promote(fresh, GOOD, *options) == 2
    assert message in capsys.readouterr().err
    assert Repository(fresh).fetch() == before


def test_steps_that_are_no_numbers_are_wrong_usage(fresh, capsys):
    with pytest.raises(SystemExit):
        promote(fresh, GOOD, "--steps", "ten")
    assert "'ten' must be whole numbers such as 10,50,100" in capsys.readouterr().err


def test_unknown_environment_is_refused(fresh, capsys):
    assert promote(fresh, GOOD, "--env", "moon") == 2
    assert "environment 'moon' does not exist" in capsys.readouterr().err


def test_environment_that_takes_no_such_runs_refuses(fresh, capsys):
    assert promote(fresh, GOOD, "--env", "staging") == 2
    assert "from which staging takes none" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("percent", "steps"), [(10, (10, 50, 100)), (60, (60, 100)), (100, (100,))]
)
def test_percentage_becomes_steps(percent, steps):
    assert steps_from(percent) == steps


def test_unknown_run_names_the_known_ones(snapshot):
    with pytest.raises(PipelineError, match="known are: better/c39d9a14b0"):
        find_run(snapshot, "x")


def test_model_that_is_not_on_this_machine_is_not_promoted(fresh, capsys):
    """Its receipt was committed in another clone."""
    open_origin(fresh, State(fresh / ".ml-pipeline"))
    assert promote(fresh, GOOD) == 2
    assert capsys.readouterr().err == (
        f"{GOOD} is trained, but its model is not on this machine; `ml-pipeline withdraw {GOOD}` trains it here\n"
    )
    (run,) = (run for run in head(fresh).runs.values() if f"{run.experiment}/{run.id}" == GOOD)
    (fresh / ".ml-pipeline/volumes/artifacts" / run.artifact.uri).mkdir(parents=True)
    assert promote(fresh, GOOD) == 0
