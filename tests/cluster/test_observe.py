import pytest
from ml_pipeline.adapters.kubernetes import JOBS, PODS, SELDON_DEPLOYMENTS
from ml_pipeline.adapters.mlflow import Look, Tracking
from ml_pipeline.cluster.observe import Observer, tracking_uri
from ml_pipeline.rules.observed import Hold

from tests.rules.test_pods import FAILED, RUN, job, killed, pod


@pytest.fixture(autouse=True)
def mlflow(monkeypatch):
    monkeypatch.setattr(
        Tracking, "look", lambda self, awaited, failed: Look({i: {} for i in awaited})
    )


def observe(cluster, snapshot, name, awaited, traffic):
    return Observer(cluster, name, lambda: traffic).look(snapshot, awaited)


@pytest.fixture
def empty(api):
    api.put(JOBS, "staging-training")
    api.put(PODS, "staging-training")
    api.put(SELDON_DEPLOYMENTS, "staging-serving")
    return api


def test_failed_jobs_have_their_reason_by_identity(empty, cluster, snapshot):
    empty.put(JOBS, "staging-training", job(FAILED))
    empty.put(PODS, "staging-training", pod("Failed", killed(42)))
    observed = observe(cluster, snapshot, "staging", set(), {})
    assert list(observed.failed) == [RUN]
    assert observed.failed[RUN].startswith("BackoffLimitExceeded: exit code 42")


def test_only_jobs_of_the_pipeline_are_asked_for(empty, cluster, snapshot):
    observe(cluster, snapshot, "staging", set(), {})
    assert (
        "/apis/batch/v1/namespaces/staging-training/jobs",
        {"labelSelector": ["pipeline=ml-training"]},
    ) in empty.asked


def test_model_is_judged_by_what_was_measured_of_its_own_rollout(empty, cluster, snapshot):
    deployment = {"metadata": {"name": "digits", "annotations": {"ml-pipeline/target": "aaaa"}}}
    empty.put(SELDON_DEPLOYMENTS, "staging-serving", deployment)
    measured = {"rollout": "aaaa", "routed": {}, "evidence": []}
    assert observe(cluster, snapshot, "staging", set(), {"digits": measured}).serving == {
        "digits": measured
    }
    assert (
        observe(
            cluster, snapshot, "staging", set(), {"digits": {**measured, "rollout": "bbbb"}}
        ).serving
        == {}
    )
    assert observe(cluster, snapshot, "staging", set(), {}).serving == {}


def test_what_the_api_server_refuses_is_held(empty, cluster, snapshot):
    empty.refuses["/apis/batch/v1/namespaces/staging-training/jobs"] = (403, "jobs is forbidden")
    observed = observe(cluster, snapshot, "staging", {"x"}, {})
    assert observed.held == (
        Hold("cluster", "jobs is forbidden; ask for the group ml-pipeline-readers"),
    )
    assert (observed.results, observed.failed) == ({"x": {}}, {})


def test_silent_mlflow_is_held(empty, cluster, snapshot, monkeypatch):
    silent = Look({}, frozenset({"x"}), (Hold("MLflow", "does not answer"),))
    monkeypatch.setattr(Tracking, "look", lambda *_: silent)
    observed = observe(cluster, snapshot, "staging", {"x"}, {})
    assert (observed.unknown, observed.held) == (silent.unknown, silent.held)


def test_mlflow_can_have_another_address_here(snapshot, monkeypatch):
    assert (
        tracking_uri(snapshot.environments["staging"]) == "http://mlflow.staging-platform.svc:5000"
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert tracking_uri(snapshot.environments["staging"]) == "http://127.0.0.1:5000"
