import os

import pytest
from ml_pipeline.environments.embedded import records
from ml_pipeline.environments.embedded.logs import (
    have_ended,
    logs_of_jobs,
    logs_of_others,
    names_of_others,
    traces,
)
from ml_pipeline.environments.embedded.records import JobRecord
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.rules.diagnosis.logs import JobTrace

JOB = JobTrace("job", {}, 0.0)


@pytest.fixture
def state(tmp_path) -> State:
    found = State(tmp_path)
    for at, path in enumerate(
        (
            "logs/pods/job-1.log",
            "logs/pods/job-10.log",
            "logs/pods/job-1.2.log",
            "pods/job-2/log",
            "pods/job-extra-1/log",
            "pods/mlflow/log",
            "logs/pods/digits-run-0123456789-abcde.log",
            "pods/digits-run-9876543210-abcde/log",
            "logs/supervisor.log",
        )
    ):
        (found.root / path).parent.mkdir(parents=True, exist_ok=True)
        (found.root / path).write_text(path)
        os.utime(found.root / path, (at, at))
    return found


def paths(state, logs) -> list[str]:
    return [log.path.relative_to(state.root).as_posix() for log in logs]


def test_tries_come_in_the_order_in_which_they_printed(state):
    assert paths(state, logs_of_jobs(state, [JOB])) == [
        "logs/pods/job-1.log",
        "logs/pods/job-10.log",
        "logs/pods/job-1.2.log",
        "pods/job-2/log",
    ]


@pytest.mark.parametrize(
    ("name", "logs"),
    [
        ("mlflow", ["pods/mlflow/log"]),
        ("supervisor", ["logs/supervisor.log"]),
        (
            "digits",
            ["logs/pods/digits-run-0123456789-abcde.log", "pods/digits-run-9876543210-abcde/log"],
        ),
        ("digits-run-0123456789", ["logs/pods/digits-run-0123456789-abcde.log"]),
        ("digits-run-0123456789-abcde", ["logs/pods/digits-run-0123456789-abcde.log"]),
        ("job-2", ["pods/job-2/log"]),
        ("../supervisor", []),
    ],
)
def test_models_predictors_pods_and_services_have_logs(state, name, logs):
    assert paths(state, logs_of_others(state, name)) == logs


def test_models_and_services_are_known_by_what_people_call_them(state):
    known = names_of_others(state, [JOB, JobTrace("job-extra", {}, 0.0)])
    assert known == {"digits", "mlflow", "supervisor"}


def test_job_that_is_there_counts_more_than_its_trace_from_before(state):
    state.write("logs/jobs/job", {"labels": {"a": "old"}, "created": 1.0})
    state.write("logs/jobs/gone", {"labels": {}})
    manifest = {"metadata": {"labels": {"a": "new"}}}
    records.save_job(state, JobRecord("job", manifest, "Running", created=5.0))
    found = {trace.name: trace for trace in traces(state)}
    assert (found["job"].labels, found["job"].begun, found["gone"].begun) == ({"a": "new"}, 5.0, 0)


@pytest.mark.parametrize(("phase", "ended"), [("Running", False), ("Failed", True), (None, True)])
def test_jobs_that_are_done_or_gone_have_ended(state, phase, ended):
    if phase:
        records.save_job(state, JobRecord("job", {}, phase))
    assert have_ended(state, [JOB]) is ended
