import json
import shutil

import pytest
from ml_pipeline.adapters.mlflow.tracking import Look, Tracking
from ml_pipeline.documents.faults import PipelineError, UnavailableError
from ml_pipeline.documents.results import Finished
from ml_pipeline.environments.embedded.observe import (
    Observer,
    failed_jobs,
    find_state,
    tracking_uri,
)
from ml_pipeline.environments.embedded.state import State

from tests.support.simulate import word


@pytest.fixture
def state(tmp_path) -> State:
    found = State(tmp_path)
    for name, phase, labels in (
        ("a", "Failed", {"ml-pipeline/run": "0123456789"}),
        ("b", "Complete", {"ml-pipeline/run": "1" * 10}),
        ("c", "Failed", {"ml-pipeline/data": "2" * 10}),
    ):
        found.write(
            f"jobs/{name}",
            {
                "name": name,
                "phase": phase,
                "reason": "BackoffLimitExceeded",
                "message": "failed 4 times",
                "manifest": {"metadata": {"labels": labels}},
            },
        )
    return found


def test_failed_jobs_are_known_by_what_they_were_to_do(state):
    assert failed_jobs(state) == {
        "0123456789": "BackoffLimitExceeded: failed 4 times",
        "2222222222": "BackoffLimitExceeded: failed 4 times",
    }


RECEIPT = b"{}"


@pytest.fixture
def complete(state) -> State:
    """A Job `b` whose second pod has said what it has finished."""
    state.write("endpoints", {"mlflow": 9})
    record = state.read("jobs/b")
    state.write("jobs/b", {**record, "name": "b", "attempt": 2, "finished": 1_700_000_000})
    said = f"peak 1 MiB\n{word(RECEIPT, '1' * 64).model_dump_json()}"
    for number, code, message in ((1, 1, "peak 1 MiB\ncrashed"), (2, 0, said)):
        ended = {"phase": "Ended", "exit_code": code, "message": message}
        state.pod(f"b-{number}").mkdir(parents=True)
        (state.pod(f"b-{number}") / "status.json").write_text(json.dumps(ended))
    return state


def test_silent_mlflow_is_held_and_the_rest_is_seen(complete):
    complete.write("serving/digits", {"rollout": "x"})
    observed = Observer(complete, "local").look({"1" * 64})
    assert "MLflow at http://127.0.0.1:9 does not answer" in observed.holds[0].reason
    assert observed.unknown == {"1" * 64}
    assert (observed.results, observed.serving["digits"].rollout) == ({}, "x")


def test_result_is_taken_by_what_the_record_of_its_pod_says(complete, monkeypatch):
    def look(_, words):
        return Look({i: Finished(w, RECEIPT) for i, w in words.items()})

    monkeypatch.setattr(Tracking, "look", look)
    observed = Observer(complete, "local").look({"1" * 64})
    assert (list(observed.results), observed.holds) == (["1" * 64], ())


def test_job_whose_pods_are_gone_is_held_with_the_way_out(complete):
    shutil.rmtree(complete.root / "pods")
    (hold,) = Observer(complete, "local").look({"1" * 64}).holds
    assert (hold.what, hold.since) == ("Job b", "2023-11-14 22:13")
    assert f"rm {complete.root.name}/jobs/b.json" in hold.reason


def test_nothing_is_asked_of_mlflow_that_no_pod_has_spoken_of(state):
    state.write("endpoints", {"mlflow": 9})
    assert Observer(state, "local").look({"a" * 64}).holds == ()


def test_environment_that_was_never_up_is_named(tmp_path):
    with pytest.raises(PipelineError, match="start it with `ml-pipeline up`"):
        find_state(tmp_path)
    with pytest.raises(UnavailableError, match="not up"):
        tracking_uri(State(tmp_path))
