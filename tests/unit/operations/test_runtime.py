import pytest
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.environments.embedded.records import status_of
from ml_pipeline.environments.embedded.runtime import EmbeddedRuntime
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.environments.kubernetes.runtime import KubernetesRuntime
from ml_pipeline.operations.runtime import Folders, open_runtime


def test_embedded_environment_is_that_of_the_checkout(tmp_path):
    (tmp_path / ".ml-pipeline/origin.git").mkdir(parents=True)
    runtime = open_runtime(tmp_path, "local", "embedded")
    assert isinstance(runtime, EmbeddedRuntime)
    assert runtime.git.origin == tmp_path / ".ml-pipeline/origin.git"


def test_embedded_environment_can_have_its_state_elsewhere(tmp_path):
    runtime = open_runtime(tmp_path, "local", "embedded", folders=Folders(tmp_path / "elsewhere"))
    assert runtime.git.automation == tmp_path / "elsewhere/automation.git"


def test_embedded_environment_that_was_never_up_is_named(tmp_path):
    with pytest.raises(PipelineError, match="start it with `ml-pipeline up`"):
        open_runtime(tmp_path, "local", "embedded")


def test_cluster_has_the_traffic_of_the_bridge_alone(tmp_path):
    State(tmp_path).write("serving/digits", {"rollout": "x"})
    measured = open_runtime(tmp_path, "staging", "kubernetes", folders=Folders(bridge=tmp_path))
    unmeasured = open_runtime(tmp_path, "staging", "kubernetes", folders=Folders(tmp_path))
    assert isinstance(measured, KubernetesRuntime)
    assert (measured._traffic(), unmeasured._traffic()) == (
        {"digits": status_of({"rollout": "x"})},
        {},
    )
