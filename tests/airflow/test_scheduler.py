"""A real scheduler, triggerer, DAG processor and API server, driven through the REST API."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from ml_pipeline.documents.recurrence import last_due, moment_of

from tests.airflow.server import Airflow
from tests.airflow.team import Team
from tests.conftest import git

pytestmark = pytest.mark.airflow
STEPS = ("propose", "wait", "gate", "promote", "outcome")
DAG = "retrain-daily"
ISO = "%Y-%m-%dT%H:%M:%SZ"


@pytest.fixture
def airflow(retraining_team, tmp_path):
    found = Airflow(tmp_path / "home", retraining_team.settings)
    try:
        found.start()
        yield found
    finally:
        found.stop()


def listed(airflow: Airflow, dag: str) -> Callable[[], bool]:
    return lambda: airflow.call("GET", f"api/v2/dags/{dag}") is not None


def test_merged_schedule_becomes_a_dag_whose_intervals_run_to_their_end(
    airflow, retraining_team: Team
):
    assert not listed(airflow, DAG)()
    retraining_team.experiment("daily", more="retrain: {promote: local}\n")
    airflow.wait("the DAG", listed(airflow, DAG), 120)
    run = airflow.trigger(DAG, "2026-01-31T00:00:00Z")
    airflow.wait("the wait", lambda: airflow.states(DAG, run)["wait"] == "deferred", 120)
    assert airflow.call("GET", f"api/v2/dags/{DAG}")["is_paused"] is False
    retraining_team.finish()
    airflow.wait("the end", lambda: airflow.run_state(DAG, run) != "running", 180)
    assert airflow.states(DAG, run) == dict.fromkeys(STEPS, "success")
    assert airflow.standing(DAG, run, "promote")["state"] == "promoted"
    assert retraining_team.proposals() == ["Retrain daily for 20260131T0000Z"]


def test_removed_schedule_takes_its_dag_away(airflow, retraining_team: Team):
    for name in ("daily", "other"):
        retraining_team.experiment(name)
        airflow.wait("the DAG", listed(airflow, f"retrain-{name}"), 120)
    path = "experiments/daily/experiment.yaml"
    text = (retraining_team.clone / path).read_text().replace("schedule: '@yearly'\n", "")
    retraining_team.commit({path: text.encode()}, "Train daily no more")
    retraining_team.deploy()

    def names() -> list[str]:
        return [dag["dag_id"] for dag in airflow.call("GET", "api/v2/dags")["dags"]]

    airflow.wait("the end of the DAG", lambda: names() == ["retrain-other"], 120)


def test_interval_that_is_due_is_proposed_within_a_minute(airflow, retraining_team: Team, say):
    retraining_team.experiment("often", schedule="* * * * *")
    with retraining_team.environment():
        airflow.wait("two intervals", lambda: len(retraining_team.proposals()) > 1, 300)
    # The first may have been due before the DAG was there.
    subject = retraining_team.proposals()[0]
    log = ("log", "-1", "--format=%ct", f"--grep={subject}", "origin/main")
    committed = datetime.fromtimestamp(int(git(retraining_team.clone, *log)), UTC)
    late = committed - moment_of(subject.rpartition(" ")[2])
    say(f"an interval was due -> its proposal was committed: {late.total_seconds():.0f} s")
    assert retraining_team.proposals().count(subject) == 1


def test_back_fill_to_the_newest_interval_proposes_each_once(airflow, retraining_team: Team):
    retraining_team.experiment("yearly")
    dag = "retrain-yearly"
    airflow.wait("the DAG", listed(airflow, dag), 120)
    due = last_years(3)
    span = {"from_date": f"{due[0]:{ISO}}", "to_date": f"{due[-1]:{ISO}}"}
    order = {"max_active_runs": 1, "run_backwards": False, "reprocess_behavior": "none"}
    with retraining_team.environment():
        airflow.call(
            "POST", "api/v2/backfills", {"dag_id": dag, "dag_run_conf": {}, **span, **order}
        )

        def states() -> list[str]:
            runs = airflow.call("GET", f"api/v2/dags/{dag}/dagRuns")["dag_runs"]
            return [run["state"] for run in runs]

        airflow.wait("their ends", lambda: states() == ["success"] * 3, 400)
    names = [f"Retrain yearly for {moment:%Y%m%dT%H%MZ}" for moment in due]
    assert sorted(retraining_team.proposals()) == names


def last_years(count: int) -> list[datetime]:
    """The first days of the years that have begun last, oldest first."""
    found: list[datetime] = []
    moment = datetime.now(UTC)
    for _ in range(count):
        moment = last_due("@yearly", "UTC", moment)
        found.insert(0, moment)
        moment -= timedelta(minutes=1)
    return found
