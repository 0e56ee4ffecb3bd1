import os

import pytest
from ml_pipeline.adapters import admin, http
from ml_pipeline.environments.embedded import health, records
from ml_pipeline.environments.embedded.health import silent_service
from ml_pipeline.environments.embedded.state import DamagedStateError, State, free_port

from tests.support import predictors

DEAD = 2**22 + 1  # no process has a pid above 2**22


@pytest.fixture
def state(tmp_path, monkeypatch) -> State:
    """Envoy answers and reconcile runs."""
    found = State(tmp_path / ".ml-pipeline")
    reconcile(found, os.getpid())
    monkeypatch.setattr(admin, "get", lambda *_, **__: "LIVE")
    return found


@pytest.fixture
def answering(state):
    """MLflow answers too."""
    server = predictors.Predictor(predictors.answers(200))
    listen(state, server.port)
    yield state
    server.close()


def listen(state, port: int) -> None:
    records.save_endpoints(state, records.Endpoints(mlflow=port, endpoint=1))


def reconcile(state, shim: int, phase: str = "Running") -> None:
    state.write("pods/reconcile/status", {"phase": phase, "shim": shim, "exit_code": 0})


def test_no_service_is_silent_where_each_answers(answering):
    assert silent_service(answering) == ""


def test_environment_that_has_lost_its_addresses_is_damaged(state):
    with pytest.raises(DamagedStateError, match="endpoints.json: does not name the ports"):
        silent_service(state)


def test_port_at_which_nobody_listens_any_more_does_not_answer(state):
    listen(state, free_port())
    assert silent_service(state) == "mlflow"


@pytest.mark.parametrize(
    ("behaviour", "silent"),
    [
        (predictors.answers(200), ""),
        (predictors.answers(204), "mlflow"),
        (predictors.answers(500), "mlflow"),
        (predictors.answers(503), "mlflow"),
        (predictors.resets, "mlflow"),
        (predictors.breaks_off, "mlflow"),
        (predictors.talks_nonsense, "mlflow"),
        (predictors.hangs, "mlflow"),
    ],
)
def test_only_a_whole_ok_counts(state, monkeypatch, behaviour, silent):
    monkeypatch.setattr(health, "_SECONDS", 0.2)
    server = predictors.Predictor(behaviour)
    try:
        listen(state, server.port)
        assert silent_service(state) == silent
    finally:
        server.close()


def test_envoy_that_is_not_ready_is_silent(answering, monkeypatch):
    def refuse(*_, **__):
        raise http.NoAnswerError("/ready is answered 503")

    monkeypatch.setattr(admin, "get", refuse)
    assert silent_service(answering) == "envoy"


@pytest.mark.parametrize(
    ("shim", "phase"), [(DEAD, "Running"), (os.getpid(), "Ended")], ids=["killed", "ended"]
)
def test_reconcile_whose_process_is_gone_is_silent(answering, shim, phase):
    reconcile(answering, shim, phase)
    assert silent_service(answering) == "reconcile"
