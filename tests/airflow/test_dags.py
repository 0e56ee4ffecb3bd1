"""The DAG file: what every DAG has to say, and what becomes of it where experiments are faulty."""

import os

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.definitions.context import _AIRFLOW_PARSING_CONTEXT_DAG_ID
from airflow.serialization.serialized_objects import DagSerialization

from tests.airflow.team import dag_files, experiment, write

pytestmark = pytest.mark.airflow
NAMES = ("first", "second", "third")


@pytest.fixture
def root(tmp_path):
    """A repository as the DAG processor has it."""
    files = {f"experiments/{n}/experiment.yaml": experiment(n, tmp_path / "a.csv") for n in NAMES}
    write(tmp_path, dag_files() | files)
    return tmp_path


def bag(root) -> DagBag:
    return DagBag(root / "dags", bundle_path=root / "dags")


def test_each_scheduled_experiment_has_a_dag(root):
    (root / "experiments/third/experiment.yaml").write_bytes(
        experiment("third", root / "a.csv").replace(b"schedule: '@daily'\n", b"")
    )
    found = bag(root)
    assert found.import_errors == {}
    assert sorted(found.dags) == ["retrain-first", "retrain-second"]


@pytest.mark.parametrize(
    "raw",
    [b"", b"\xff\xfe", b"schedule: '@daily'\n", b"a: [", b"schedule: '@daily'\nname: second\n"],
    ids=["empty", "no text", "nothing but a schedule", "no YAML", "half"],
)
def test_broken_experiment_takes_no_other_along(root, raw):
    (root / "experiments/second/experiment.yaml").write_bytes(raw)
    found = bag(root)
    assert found.import_errors == {}
    assert sorted(found.dags) == ["retrain-first", "retrain-third"]


@pytest.mark.parametrize(
    "line",
    ["schedule: '61 * * * *'", "schedule: '0 0 31 2 *'", "schedule: '@never'"],
)
def test_schedule_that_never_fires_takes_no_other_along(root, line):
    path = root / "experiments/second/experiment.yaml"
    path.write_text(path.read_text().replace("schedule: '@daily'", line))
    found = bag(root)
    assert found.import_errors == {}
    assert sorted(found.dags) == ["retrain-first", "retrain-third"]


def test_time_zone_that_is_not_there_takes_no_other_along(root):
    path = root / "experiments/second/experiment.yaml"
    path.write_text(path.read_text() + "retrain: {timezone: Europe/Atlantis}\n")
    found = bag(root)
    assert found.import_errors == {}
    assert sorted(found.dags) == ["retrain-first", "retrain-third"]


def test_every_dag_keeps_the_policies(root):
    for dag in bag(root).dags.values():
        assert dag.owner == "vision", f"{dag.dag_id} has no owner: set `owner` in default_args"
        assert dag.catchup is False, f"{dag.dag_id}: state catchup"
        assert dag.max_active_runs == 1, f"{dag.dag_id}: intervals come one after the other"
        assert dag.dagrun_timeout, f"{dag.dag_id}: set a time-out"
        assert dag.tags == {"model:digits", "environment:local"}, f"{dag.dag_id}: say whose it is"
        assert "## Recurring retraining" in dag.doc_md, f"{dag.dag_id}: say what it does"
        assert dag.is_paused_upon_creation is False, f"{dag.dag_id}: merging starts it"


def test_every_step_keeps_the_policies(root):
    for dag in bag(root).dags.values():
        assert dag.task_ids == ["propose", "wait", "gate", "promote", "outcome"]
        for task in dag.tasks:
            where = f"{dag.dag_id}.{task.task_id}"
            assert task.retries >= 3, f"{where}: set retries"
            assert task.retry_exponential_backoff, f"{where}: let retries come less and less often"
            assert task.execution_timeout, f"{where}: set a time-out"
            assert task.owner == "vision", f"{where}: set its owner"


def test_same_experiments_make_the_same_dags(root):
    """A DAG that differed each time would be a new version each time."""
    first, second = (
        {name: DagSerialization.to_dict(dag) for name, dag in bag(root).dags.items()}
        for _ in range(2)
    )
    assert first == second


def test_process_of_a_task_makes_its_own_dag_alone(root, monkeypatch):
    monkeypatch.setitem(os.environ, _AIRFLOW_PARSING_CONTEXT_DAG_ID, "retrain-second")
    assert list(bag(root).dags) == ["retrain-second"]
