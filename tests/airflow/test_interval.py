"""An interval from its proposal to its promotion: `dag.test()` on real git; who trains is played."""

from datetime import UTC, datetime

import pytest
from airflow.dag_processing.dagbag import DagBag
from ml_pipeline.airflow import triggers

pytestmark = pytest.mark.airflow
DAY = datetime(2026, 1, 31, tzinfo=UTC)
STEPS = ("propose", "wait", "gate", "promote", "outcome")


@pytest.fixture(scope="session")
def database():
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture(autouse=True)
def _often(monkeypatch):
    monkeypatch.setattr(triggers, "FETCH_SECONDS", 0.2)


def run(team, name: str):
    dag = DagBag(team.bundle / "dags", bundle_path=team.bundle / "dags").dags[f"retrain-{name}"]
    return dag.test(logical_date=DAY)


def states(dag_run) -> dict[str, str]:
    return {task.task_id: str(task.state) for task in dag_run.get_task_instances()}


def test_interval_is_proposed_trained_and_promoted_once(database, retraining_team):
    retraining_team.experiment("daily", more="retrain: {promote: local}\n")
    with retraining_team.environment():
        done = run(retraining_team, "daily")
    assert states(done) == dict.fromkeys(STEPS, "success")
    assert done.state == "success"
    promoted = retraining_team.subjects("environments/local/promotions/digits.yaml")
    again = run(retraining_team, "daily")
    assert states(again) == dict.fromkeys(STEPS, "success")
    assert retraining_team.proposals() == ["Retrain daily for 20260131T0000Z"]
    assert retraining_team.subjects("environments/local/promotions/digits.yaml") == promoted


def test_interval_that_a_person_took_out_is_skipped(database, retraining_team):
    retraining_team.experiment("daily")
    with retraining_team.environment():
        run(retraining_team, "daily")
    retraining_team.revert("Retrain daily for")
    done = run(retraining_team, "daily")
    assert states(done) == dict.fromkeys(STEPS, "skipped")
    assert len(retraining_team.proposals()) == 1
