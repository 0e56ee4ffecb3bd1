import pytest
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.cli import main
from ml_pipeline.documents.changes import Changes
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.snapshot import Snapshot, load_snapshot
from ml_pipeline.environments.embedded.records import status_of
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.operations.promote import steps_from
from ml_pipeline.operations.up import open_origin
from ml_pipeline.rules.automation.observed import Observed
from ml_pipeline.rules.automation.plan import plan
from ml_pipeline.rules.identity.runs import find_run
from ml_pipeline.rules.identity.served import serving_of

from tests.conftest import git
from tests.support.simulate import serving_status

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
    assert serving_of(head(fresh), "local", "digits").weights == {GOOD: 100}


def test_second_promotion_begins_as_a_canary(fresh):
    promote(fresh, GOOD)
    assert promote(fresh, BETTER, "--steps", "10,100") == 0
    assert serving_of(head(fresh), "local", "digits").weights == {GOOD: 90, BETTER: 10}


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
    assert serving_of(head(fresh), "local", "digits").promotion.run == GOOD


def test_promoting_again_changes_nothing(fresh, capsys):
    promote(fresh, GOOD)
    before = Repository(fresh).fetch()
    assert promote(fresh, GOOD) == 0
    assert "good/31a4e76e1a serves already, with all of the traffic" in capsys.readouterr().out
    assert Repository(fresh).fetch() == before


def step(team, errors: int = 0) -> None:
    """Automation's next step on the branch."""
    repository = Repository(team)
    parent = repository.fetch()
    files = repository.read(parent)
    status = serving_status(files)
    status["evidence"][-1]["errors"] = errors
    due = plan(load_snapshot(files), Observed("local", serving={"digits": status_of(status)}))[-1]
    repository.push(repository.commit(parent, due.changes, due.message), parent)


def test_run_that_was_finished_and_reverted_begins_as_a_canary_again(fresh):
    promote(fresh, GOOD)
    promote(fresh, BETTER, "--steps", "10,100")
    step(fresh)
    assert serving_of(head(fresh), "local", "digits").weights == {BETTER: 100}
    main(["rollback", "--repo", str(fresh), "digits"])
    promote(fresh, BETTER, "--steps", "10,100")
    assert serving_of(head(fresh), "local", "digits").weights == {GOOD: 90, BETTER: 10}


def test_run_that_was_taken_out_is_tried_again_with_the_new_conditions(fresh):
    promote(fresh, GOOD)
    promote(fresh, BETTER)
    step(fresh, errors=900)
    promote(fresh, BETTER, "--max-error-rate-increase", "0.95")
    serving = serving_of(head(fresh), "local", "digits")
    assert serving.weights == {GOOD: 90, BETTER: 10}
    assert serving.promotion.rollout.max_error_rate_increase == 0.95


def test_conditions_of_a_running_rollout_are_changed_and_told(fresh, capsys):
    promote(fresh, GOOD)
    promote(fresh, BETTER)
    capsys.readouterr()
    promote(fresh, BETTER, "--min-requests", "20")
    said = capsys.readouterr().out
    assert "goes on at step 1 of 3, 10 % of the traffic, with min_requests from 500 to 20" in said


def test_running_rollout_is_told_with_its_progress(fresh, capsys):
    promote(fresh, GOOD)
    promote(fresh, BETTER)
    before = Repository(fresh).fetch()
    assert promote(fresh, BETTER) == 0
    assert "is on its way already: step 1 of 3, 10 % of the traffic" in capsys.readouterr().out
    assert Repository(fresh).fetch() == before


def poorer(team) -> None:
    """The environment can pay for one predictor, not for two."""
    repository = Repository(team)
    parent = repository.fetch()
    path = "environments/local/environment.yaml"
    raw = repository.read(parent)[path].replace(b"monthly: 100", b"monthly: 50")
    repository.push(repository.commit(parent, Changes({path: raw}), "Spend less"), parent)


def test_what_serving_costs_is_said(fresh, capsys):
    promote(fresh, GOOD)
    capsys.readouterr()
    promote(fresh, BETTER)
    said = capsys.readouterr().err
    assert "digits costs 58.40 USD a month, 29.20 until now" in said
    assert "of 100 USD left" in said


def test_budget_that_does_not_suffice_refuses(fresh, capsys):
    promote(fresh, GOOD)
    poorer(fresh)
    before = Repository(fresh).fetch()
    assert promote(fresh, BETTER) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "monthly" in line]
    assert line.startswith("environments/local/environment.yaml:14: budget.monthly: '50' is less")
    assert line.endswith("raise it, or promote with --over-budget")
    assert Repository(fresh).fetch() == before


def test_budget_is_a_person_s_to_overrun(fresh):
    promote(fresh, GOOD)
    poorer(fresh)
    assert promote(fresh, BETTER, "--over-budget") == 0
    assert serving_of(head(fresh), "local", "digits").weights == {GOOD: 90, BETTER: 10}


def test_promotion_that_costs_no_more_passes_a_budget_that_is_spent(fresh):
    promote(fresh, GOOD)
    poorer(fresh)
    assert promote(fresh, BETTER, "--steps", "100") == 0


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
        f"{GOOD} is trained, but its model is not on this machine; `ml-pipeline rollback digits --env local` until no promotion names it, then `ml-pipeline withdraw {GOOD}` trains it here\n"
    )
    (run,) = (run for run in head(fresh).runs.values() if f"{run.experiment}/{run.id}" == GOOD)
    (fresh / ".ml-pipeline/volumes/artifacts" / run.artifact.uri).mkdir(parents=True)
    assert promote(fresh, GOOD) == 0
