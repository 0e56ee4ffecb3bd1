import pytest
from ml_pipeline.documents.faults import PipelineError, UnavailableError
from ml_pipeline.local.observe import Observer, failed_jobs, find_state, tracking_uri
from ml_pipeline.local.state import State


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


def test_silent_mlflow_is_held_and_the_rest_is_seen(state):
    state.write("endpoints", {"mlflow": 9})
    state.write("serving/digits", {"rollout": "x"})
    observed = Observer(state, "local").look({"a" * 64})
    assert "MLflow at http://127.0.0.1:9 does not answer" in observed.held[0].reason
    assert observed.unknown == {"a" * 64}
    assert (observed.results, observed.serving) == ({}, {"digits": {"rollout": "x"}})


def test_environment_that_was_never_up_is_named(tmp_path):
    with pytest.raises(PipelineError, match="start it with `ml-pipeline up`"):
        find_state(tmp_path)
    with pytest.raises(UnavailableError, match="not up"):
        tracking_uri(State(tmp_path))
