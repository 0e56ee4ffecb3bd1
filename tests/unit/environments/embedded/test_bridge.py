import os
import signal

import pytest
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.adapters.kubernetes import SELDON_DEPLOYMENTS
from ml_pipeline.environments.embedded import bridge as module
from ml_pipeline.environments.embedded.bridge import Bridge, operator_status
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.rules.rollout.evidence import PredictorStatus, ServingStatus


def deployment(*predictors: str, traffic: int = 100, **status) -> dict:
    spec = {"containers": [{"name": "digits"}]}
    graph = {"name": "digits", "implementation": "MLFLOW_SERVER", "modelUri": "pvc://a/b"}
    found = [
        {"name": p, "traffic": traffic, "graph": graph, "componentSpecs": [{"spec": spec}]}
        for p in predictors
    ]
    return {"metadata": {"name": "digits"}, "spec": {"predictors": found}, "status": status}


def shown(state: str, ready: tuple[bool, ...]) -> ServingStatus:
    predictors = tuple(PredictorStatus("", "", 0, r, "starts") for r in ready)
    return ServingStatus("x", state=state, url="http://x", predictors=predictors)


def test_status_names_a_deployment_for_each_predictor():
    status = operator_status(deployment("run-a", "run-b"), shown("Creating", ready=(True, False)))
    assert status["deploymentStatus"] == {
        "digits-run-a-0-digits": {"replicas": 1, "availableReplicas": 1},
        "digits-run-b-0-digits": {"replicas": 1, "availableReplicas": 0},
    }
    assert (status["state"], status["description"]) == ("Creating", "starts")


def test_status_has_no_observed_generation_as_the_operators_has_none():
    assert "observedGeneration" not in operator_status(
        deployment("run-a"), shown("Available", ready=(True,))
    )


def test_deployments_of_predictors_that_left_are_removed():
    before = {"digits-run-a-0-digits": {"replicas": 1}}
    status = operator_status(
        deployment("run-b", deploymentStatus=before), shown("Available", ready=(True,))
    )
    assert status["deploymentStatus"]["digits-run-a-0-digits"] is None


@pytest.fixture
def bridge(cluster, team, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "check_shape", lambda thing: None)
    state = State(tmp_path / "state")
    state.root.mkdir()
    found = Bridge(state, Repository(team), "staging-serving", cluster)
    found.serving.apply = lambda deployments: found.serving.desired.update(
        {d["metadata"]["name"]: d for d in deployments}
    )
    return found


def test_bridge_that_is_told_to_end_stops_its_pods(bridge, monkeypatch, quick_loop):
    asked = []
    monkeypatch.setattr(bridge, "_tick", lambda: os.kill(os.getpid(), signal.SIGTERM))
    monkeypatch.setattr(bridge.pods, "stop_all", asked.append)
    bridge.run()
    assert asked == [module.STOP_SECONDS]


def test_what_the_webhook_would_refuse_is_not_served(api, bridge, caplog):
    api.put(SELDON_DEPLOYMENTS, "staging-serving", deployment("run-a", traffic=50))
    bridge._follow()
    assert bridge.serving.desired == {}
    assert (
        "the operator's webhook would refuse it: the traffic of a single predictor must be 0 or 100, is 50"
        in caplog.text
    )


def test_what_served_before_a_refusal_stays_and_is_told_once(api, bridge, caplog):
    api.put(SELDON_DEPLOYMENTS, "staging-serving", deployment("run-a"))
    bridge._follow()
    api.put(SELDON_DEPLOYMENTS, "staging-serving", deployment("run-a", "run-b"))
    bridge._follow()
    bridge._follow()
    assert [p["name"] for p in bridge.serving.desired["digits"]["spec"]["predictors"]] == ["run-a"]
    assert caplog.text.count("would refuse it") == 1
