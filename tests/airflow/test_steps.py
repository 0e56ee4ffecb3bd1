"""What each step does and how it ends, on real git and without a scheduler."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, TaskDeferred
from ml_pipeline.airflow.steps import Gate, Outcome, Promote, Propose, Wait
from ml_pipeline.documents.faults import PipelineError

from tests.conftest import git

pytestmark = pytest.mark.airflow
DAY = datetime(2026, 1, 31, tzinfo=UTC)
INTERVAL = "20260131T0000Z"


class Recorder:
    """Stands in for a task instance: keeps what a step leaves."""

    def __init__(self) -> None:
        self.left: dict[str, dict] = {}

    def xcom_push(self, key: str, value: dict) -> None:
        self.left[key] = value


def context(moment: datetime | None = DAY, run_after: datetime = DAY) -> dict:
    run = SimpleNamespace(logical_date=moment, run_after=run_after)
    return {"dag_run": run, "ti": Recorder()}


def step(kind, **more):
    return kind(task_id=kind.__name__.lower(), experiment="daily", **more)


@pytest.fixture
def daily(retraining_team):
    retraining_team.experiment("daily")
    return retraining_team


@pytest.fixture
def proposed(daily):
    step(Propose).execute(context())
    return daily


def test_interval_is_proposed_once(proposed):
    step(Propose).execute(context())
    assert proposed.proposals() == [f"Retrain daily for {INTERVAL}"]


def test_proposal_says_what_was_committed(daily):
    propose, given = step(Propose), context()
    propose.execute(given)
    assert given["ti"].left["standing"]["state"] == "waiting"
    (commit,) = daily.subjects(f"experiments/daily/snapshots/{INTERVAL}.yaml")
    assert commit.startswith("Retrain daily")
    assert len(propose.commit_page) == 40


def test_run_without_a_logical_date_counts_by_when_it_may_begin(daily):
    moment = datetime(2026, 2, 3, 4, 5, 6, 7, tzinfo=UTC)
    for _ in range(2):
        step(Propose).execute(context(None, run_after=moment))
    assert daily.proposals() == ["Retrain daily for 20260203T0405Z"]


def test_source_that_is_not_there_is_said_and_nothing_is_proposed(daily):
    daily.source("daily").unlink()
    with pytest.raises(PipelineError, match=r"daily\.csv is not there"):
        step(Propose).execute(context())
    assert daily.proposals() == []


def test_proposal_that_was_reverted_is_skipped_with_its_reason(proposed):
    proposed.revert("Retrain daily")
    for kind in (Propose, Wait, Gate, Promote, Outcome):
        given = context()
        with pytest.raises(AirflowSkipException, match="a person has taken"):
            step(kind).execute(given)
        assert given["ti"].left["standing"]["state"] == "withdrawn"


def test_older_interval_is_skipped_for_the_newer(proposed):
    step(Propose).execute(context(datetime(2026, 2, 1, tzinfo=UTC)))
    with pytest.raises(AirflowSkipException, match="20260201T0000Z came before"):
        step(Wait).execute(context())


def test_experiment_that_is_gone_is_skipped(proposed):
    git_paths = [path for path in proposed.tree() if path.startswith("experiments/daily/")]
    proposed.commit(dict.fromkeys(git_paths), "Remove daily")
    with pytest.raises(AirflowSkipException, match="is not on the branch any more"):
        step(Wait).execute(context())


def test_wait_holds_no_worker_until_there_is_a_receipt(proposed):
    with pytest.raises(TaskDeferred) as deferred:
        step(Wait).execute(context())
    assert deferred.value.method_name == "resume"
    assert deferred.value.trigger.moment == DAY.isoformat()
    proposed.finish()
    step(Wait).resume(context(), event=True)


def test_wait_goes_on_where_a_receipt_was_taken_out_meanwhile(proposed):
    with pytest.raises(TaskDeferred):
        step(Wait).resume(context(), event=True)


def test_wait_that_had_its_time_fails(proposed):
    with pytest.raises(AirflowFailException, match="no receipt after 7 days"):
        step(Wait).resume(context(), event=False)


def test_run_below_its_gates_ends_the_wait_and_fails_the_gate(proposed):
    proposed.finish(accuracy=0.5)
    step(Wait).execute(context())
    with pytest.raises(AirflowFailException, match=r"gates failed: quality: 0\.5 against 0\.9"):
        step(Gate).execute(context())


def test_gate_never_passes_what_has_not_ended(proposed):
    with pytest.raises(AirflowFailException, match="is waiting"):
        step(Gate).execute(context())


def test_experiment_that_promotes_nowhere_skips_that(proposed):
    proposed.finish()
    step(Gate).execute(context())
    with pytest.raises(AirflowSkipException, match="promotes to no environment"):
        step(Promote).execute(context())
    step(Outcome).execute(context())


def test_git_that_cannot_be_reached_is_an_error_to_try_again(proposed, monkeypatch):
    monkeypatch.setenv("ML_PIPELINE_ORIGIN", str(proposed.top / "nowhere.git"))
    with pytest.raises(PipelineError):
        step(Wait).execute(context())


def test_links_lead_to_the_commit_and_the_receipt(proposed):
    proposed.finish()
    gate, given = step(Gate), context()
    gate.execute(given)
    commit, receipt = (link.get_link(gate, ti_key=None) for link in gate.operator_extra_links)
    (subject,) = proposed.subjects(f"experiments/daily/snapshots/{INTERVAL}.yaml")
    assert subject == f"Retrain daily for {INTERVAL}"
    assert git(proposed.clone, "show", "--no-patch", "--format=%s", commit) == subject
    experiment, _, short = given["ti"].left["standing"]["run"].partition("/")
    assert receipt == f"experiments/{experiment}/runs/{short}.yaml"
