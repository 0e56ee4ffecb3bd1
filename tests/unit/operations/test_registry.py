"""Following git from one pass to the next; tests/unit/adapters/mlflow/test_registry.py has the real server."""

from types import SimpleNamespace

import pytest
from ml_pipeline.documents.faults import UnavailableError
from ml_pipeline.environments.embedded.runtime import EmbeddedRuntime
from ml_pipeline.environments.embedded.state import State, free_port
from ml_pipeline.environments.records import MlflowAddress
from ml_pipeline.operations import registry as registry_verb
from ml_pipeline.operations.registry import Follower
from ml_pipeline.rules.automation.mirror import mirror


class FakeServer:
    """Takes what it is brought. tests/unit/adapters/mlflow/test_registry.py holds the real one against a real MLflow."""

    def __init__(self, uri="http://x", refuses=""):
        self.uri, self.refuses, self.brought = uri, refuses, []

    def bring(self, wanted):
        if self.refuses:
            raise UnavailableError(self.refuses)
        self.brought.append(wanted)
        return ["registered x"]

    def differences(self, wanted):
        return []


@pytest.fixture
def server(monkeypatch):
    found = FakeServer()
    monkeypatch.setattr(registry_verb, "Registry", lambda uri, _: found)
    return found


@pytest.fixture
def follower(server):
    runtime = SimpleNamespace(mlflow=lambda facts: MlflowAddress(server.uri))
    return Follower("local", runtime)


def test_each_revision_is_brought_once(server, follower, snapshot):
    assert follower.follow("a", snapshot) == ["MLflow: registered x"]
    assert follower.follow("a", snapshot) == []
    follower.follow("b", snapshot)
    assert server.brought == [mirror(snapshot, "local")] * 2


def test_server_that_does_not_answer_is_named_once_and_asked_again(
    server, follower, snapshot, monkeypatch
):
    server.refuses = "MLflow at http://x does not answer"
    assert follower.follow("a", snapshot) == ["MLflow at http://x does not answer"]
    assert follower.follow("a", snapshot) == []
    monkeypatch.setattr(registry_verb, "RETRY_SECONDS", 0.0)
    follower._not_before = 0.0
    assert follower.follow("a", snapshot) == []
    server.refuses = ""
    assert follower.follow("a", snapshot) == ["MLflow: registered x"]


def test_environment_that_is_down_is_no_bug(snapshot, tmp_path):
    (line,) = Follower("local", EmbeddedRuntime(State(tmp_path), "local")).follow("a", snapshot)
    assert "the embedded environment is not up" in line


def test_silent_server_keeps_nothing_else_from_being_done(snapshot, tmp_path):
    state = State(tmp_path)
    state.write("endpoints", {"mlflow": free_port()})
    (line,) = Follower("local", EmbeddedRuntime(state, "local")).follow("a", snapshot)
    assert "does not answer" in line
