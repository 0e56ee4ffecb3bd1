import json

import pytest
from ml_pipeline.adapters.kubernetes import JOBS, PODS, SELDON_DEPLOYMENTS
from ml_pipeline.adapters.mlflow.tracking import Look, Tracking
from ml_pipeline.documents.results import Finished
from ml_pipeline.environments.kubernetes.observe import Observer, tracking_uri
from ml_pipeline.rules.automation.observed import Hold
from ml_pipeline.rules.rollout.evidence import ServingStatus

from tests.support.simulate import trained, word
from tests.unit.rules.diagnosis.test_pods import FAILED, RUN, job, killed, pod

IDENTITY = f"{RUN}{'0' * 54}"
RECEIPT = json.dumps(trained(IDENTITY)).encode()


@pytest.fixture(autouse=True)
def receipts(monkeypatch) -> dict[str, bytes]:
    """What MLflow has as receipts, by run."""
    there = {"1" * 32: RECEIPT}

    def look(_, words):
        found = {i: w for i, w in words.items() if w.mlflow_run in there}
        results = {
            i: Finished(w, there[w.mlflow_run], ("mlflow/1/models",)) for i, w in found.items()
        }
        return Look(results, dict.fromkeys(words.keys() - found.keys(), "MLflow has no such run"))

    monkeypatch.setattr(Tracking, "look", look)
    return there


def ended(code: int, message: str = "", uid: str = "u1", name: str = "j-x") -> dict:
    """A pod of the Job with that uid."""
    found = pod("Succeeded" if code == 0 else "Failed", killed(code, message=message))
    owners = [{"uid": uid, "controller": True}]
    return {**found, "metadata": {**found["metadata"], "name": name, "ownerReferences": owners}}


def complete() -> dict:
    found = job(
        {"type": "Complete", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    )
    return {**found, "metadata": {**found["metadata"], "uid": "u1"}}


SAID = f"peak 5 MiB after 1.0 s\n{word(RECEIPT, IDENTITY).model_dump_json()}"


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
    measured = ServingStatus("aaaa")
    assert observe(cluster, snapshot, "staging", set(), {"digits": measured}).serving == {
        "digits": measured
    }
    assert (
        observe(cluster, snapshot, "staging", set(), {"digits": ServingStatus("bbbb")}).serving
        == {}
    )
    assert observe(cluster, snapshot, "staging", set(), {}).serving == {}


def test_what_the_api_server_refuses_is_held(empty, cluster, snapshot):
    empty.refuses["/apis/batch/v1/namespaces/staging-training/jobs"] = (403, "jobs is forbidden")
    observed = observe(cluster, snapshot, "staging", {IDENTITY}, {})
    assert observed.holds == (
        Hold("cluster", "jobs is forbidden; ask for the group ml-pipeline-readers"),
    )
    assert (observed.results, observed.failed) == ({}, {})


def test_silent_mlflow_is_held(empty, cluster, snapshot, monkeypatch):
    silent = Look({}, held=(Hold("MLflow", "does not answer"),))
    monkeypatch.setattr(Tracking, "look", lambda *_: silent)
    empty.put(JOBS, "staging-training", complete())
    empty.put(PODS, "staging-training", ended(0, SAID))
    observed = observe(cluster, snapshot, "staging", {IDENTITY}, {})
    assert (observed.unknown, observed.holds) == ({IDENTITY}, silent.held)


def test_result_is_taken_by_what_the_pod_of_its_job_has_said(empty, cluster, snapshot):
    empty.put(JOBS, "staging-training", complete())
    empty.put(PODS, "staging-training", ended(0, SAID))
    observed = observe(cluster, snapshot, "staging", {IDENTITY}, {})
    assert (list(observed.results), observed.holds) == ([IDENTITY], ())


def test_result_without_a_pod_is_held_since_the_end_of_its_job(empty, cluster, snapshot):
    empty.put(JOBS, "staging-training", complete())
    observed = observe(cluster, snapshot, "staging", {IDENTITY}, {})
    (hold,) = observed.holds
    assert (observed.results, observed.unknown) == ({}, {IDENTITY})
    assert (hold.what, hold.since) == ("Job j", "2026-01-01 00:00")
    assert "delete the Job with `kubectl -n staging-training delete job j`" in hold.reason


def test_pod_of_an_earlier_job_of_that_name_says_nothing(empty, cluster, snapshot):
    empty.put(JOBS, "staging-training", complete())
    empty.put(PODS, "staging-training", ended(0, SAID, uid="u0"))
    assert observe(cluster, snapshot, "staging", {IDENTITY}, {}).results == {}


def test_mlflow_can_have_another_address_here(snapshot, monkeypatch):
    assert (
        tracking_uri(snapshot.environments["staging"]) == "http://mlflow.staging-platform.svc:5000"
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert tracking_uri(snapshot.environments["staging"]) == "http://127.0.0.1:5000"
