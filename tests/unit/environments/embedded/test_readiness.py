"""Which predictors get traffic: a real Envoy asks stand-ins whether their model is ready."""

import pytest
from ml_pipeline.environments.embedded import servers as module
from ml_pipeline.environments.embedded.endpoint import Route
from ml_pipeline.environments.embedded.records import PodStatus
from ml_pipeline.environments.embedded.router import Upstream
from ml_pipeline.environments.embedded.serving import Serving
from ml_pipeline.rules.render.serving import RUN, TARGET

from tests.conftest import until
from tests.support import predictors

INFER = "/seldon/ns/digits/v2/models/digits/infer"
NOT_READY = {
    "is-loading": predictors.answers(503),
    "has-unloaded-its-model": predictors.answers(404),
    "lost-its-mind": predictors.answers(500),
    "resets": predictors.resets,
    "hangs": predictors.hangs,
    "talks-nonsense": predictors.talks_nonsense,
}


@pytest.fixture
def envoy(tmp_path):
    with predictors.running_envoy(tmp_path, timeout_seconds=0.3) as router:
        yield router


class Pods:
    """Stands in for processes: each server is a stand-in predictor that runs already."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def start(self, name, pod, **_) -> None:
        self.names.add(name)

    def status(self, name):
        return PodStatus("Running") if name in self.names else None

    def stop(self, name) -> bool:
        return True

    def remove(self, name) -> None:
        self.names.discard(name)


@pytest.fixture
def stand_ins(monkeypatch):
    """The predictors `stable` and `candidate`, which get the ports that a server would choose."""
    found = [predictors.Predictor(predictors.healthy) for _ in range(2)]
    monkeypatch.setattr(module, "free_port", iter_ports(found))
    yield found
    for predictor in found:
        predictor.close()


def iter_ports(found):
    # Each server takes one port for HTTP and one for gRPC.
    ports = iter([port for predictor in found for port in (predictor.port, 0)])
    return lambda: next(ports)


@pytest.fixture
def serving(envoy, stand_ins):
    return Serving(envoy.state, Pods(), envoy)


def deployment(**weights: int) -> dict:
    found = [
        {
            "name": f"run-{run}",
            "traffic": weight,
            "annotations": {RUN: f"x/{run}"},
            "graph": {"name": "digits", "modelUri": f"pvc://artifacts/{run}"},
            "componentSpecs": [{"spec": {"containers": [{"name": "digits"}]}}],
        }
        for run, weight in weights.items()
    ]
    metadata = {"name": "digits", "namespace": "ns", "annotations": {TARGET: "r1"}}
    return {"metadata": metadata, "spec": {"predictors": found}}


def routed(serving, **weights: int) -> bool:
    serving.tick()
    return shown(serving)["routed"] == {f"x/{run}": weight for run, weight in weights.items()}


def shown(serving) -> dict:
    return serving.state.read("serving/digits")


def said(serving, run: str) -> dict:
    return next(p for p in shown(serving)["predictors"] if p["run"] == f"x/{run}")


def rollout(serving) -> None:
    """Stable and candidate at 50 % each."""
    serving.apply([deployment(stable=100)])
    until(lambda: routed(serving, stable=100))
    serving.apply([deployment(stable=50, candidate=50)])
    until(lambda: routed(serving, stable=50, candidate=50))


@pytest.mark.parametrize("name", NOT_READY)
def test_candidate_that_is_never_ready_gets_no_traffic_and_status_says_so(
    serving, stand_ins, monkeypatch, name
):
    monkeypatch.setattr(module, "SLOW_START_SECONDS", -1.0)
    stable, candidate = stand_ins
    candidate.readiness = NOT_READY[name]
    serving.apply([deployment(stable=100)])
    until(lambda: routed(serving, stable=100))
    serving.apply([deployment(stable=50, candidate=50)])
    until(lambda: serving.tick() or "never ready" in said(serving, "candidate")["message"])
    assert predictors.ask_many(serving.router.port, INFER, 20) == [200] * 20
    assert routed(serving, stable=100)
    assert (shown(serving)["state"], said(serving, "candidate")["ready"]) == ("Creating", False)
    assert candidate.asked == []
    assert len(stable.asked) == 20


@pytest.mark.parametrize("name", NOT_READY)
def test_predictor_that_is_no_longer_ready_loses_its_traffic_until_it_is(serving, stand_ins, name):
    rollout(serving)
    _, candidate = stand_ins
    candidate.readiness = NOT_READY[name]
    until(lambda: routed(serving, stable=50))
    reason = "answers nothing for 0.3 s" if name == "hangs" else "no longer ready"
    assert reason in said(serving, "candidate")["message"]
    assert "`ml-pipeline logs digits-run-candidate-" in said(serving, "candidate")["message"]
    candidate.readiness = predictors.healthy
    until(lambda: routed(serving, stable=50, candidate=50))
    assert said(serving, "candidate")["message"] == "ready"


def test_envoy_itself_sends_nothing_to_what_is_no_longer_ready(envoy):
    """Also while the supervisor, which moves the weights, does not look."""
    predictor = predictors.Predictor(predictors.healthy)
    envoy.set_clusters([Upstream("digits-a", "digits", predictor.port)])
    until(lambda: (found := envoy.readiness()) and found["digits-a"].ready)
    envoy.set_routes([Route("/seldon/ns/digits/", "digits", {"digits-a": 100})])
    until(lambda: predictors.ask(envoy.port, INFER)[0] == 200)
    predictor.readiness = predictors.answers(404)
    until(lambda: not envoy.readiness()["digits-a"].ready)
    predictor.asked.clear()
    status, headers, _ = predictors.ask(envoy.port, INFER)
    assert (status, headers["retry-after"]) == (503, "2")
    assert predictor.asked == []
    predictor.close()


def test_model_of_which_nothing_is_ready_is_told_to_come_back(serving, stand_ins):
    serving.apply([deployment(stable=100)])
    until(lambda: routed(serving, stable=100))
    stand_ins[0].readiness = predictors.answers(404)
    until(lambda: routed(serving))
    until(lambda: b"the model is not ready" in predictors.ask(serving.router.port, INFER)[2])


def test_silent_envoy_takes_no_traffic_away(serving, stand_ins, monkeypatch):
    rollout(serving)
    monkeypatch.setattr(serving.router, "readiness", lambda: None)
    assert routed(serving, stable=50, candidate=50)
    assert said(serving, "candidate")["ready"]


def test_envoy_that_starts_anew_is_sent_to_a_predictor_once_it_has_it(serving, monkeypatch):
    rollout(serving)
    loaded = serving.router.readiness()
    monkeypatch.setattr(serving.router, "readiness", dict)
    serving.tick()
    until(lambda: b"the model is not ready" in predictors.ask(serving.router.port, INFER)[2])
    monkeypatch.setattr(serving.router, "readiness", lambda: loaded)
    assert routed(serving, stable=50, candidate=50)
    until(lambda: predictors.ask(serving.router.port, INFER)[0] == 200)
