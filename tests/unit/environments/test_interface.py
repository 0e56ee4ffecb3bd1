"""Both environments are held to the interface by the type checker; here to what it says in prose."""

import pytest
from ml_pipeline.adapters.kubernetes import ANY
from ml_pipeline.environments.embedded.runtime import EmbeddedRuntime
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.environments.interface import Runtime
from ml_pipeline.environments.kubernetes.runtime import KubernetesRuntime
from ml_pipeline.environments.records import Held

HELD = (Held("experiments/x/experiment.yaml", "is not YAML", "2026-01-01 00:00"),)
METHODS = [name for name in vars(Runtime) if not name.startswith("_")]


@pytest.fixture
def embedded(tmp_path) -> EmbeddedRuntime:
    return EmbeddedRuntime(State(tmp_path), "local")


@pytest.fixture
def kubernetes(snapshot) -> KubernetesRuntime:
    return KubernetesRuntime(ANY, "staging", dict, lambda: snapshot.environments["staging"])


@pytest.mark.parametrize("name", METHODS)
def test_both_answer_the_same_questions(embedded, kubernetes, name):
    assert hasattr(embedded, name)
    assert hasattr(kubernetes, name)


def test_what_is_held_is_kept_where_the_environment_is_embedded(embedded):
    assert embedded.holds() == ()
    embedded.keep_holds(HELD)
    assert embedded.holds() == HELD
    embedded.keep_holds(())
    assert not (embedded.state.root / "held.json").exists()


def test_nothing_is_kept_here_for_a_cluster(kubernetes):
    kubernetes.keep_holds(HELD)
    assert kubernetes.holds() is None


def test_mlflow_of_a_cluster_is_where_its_facts_say(kubernetes, snapshot):
    address = kubernetes.mlflow(snapshot.environments["staging"])
    assert address.uri == "http://mlflow.staging-platform.svc:5000"
    assert "login" not in repr(address), "a password is in it"
