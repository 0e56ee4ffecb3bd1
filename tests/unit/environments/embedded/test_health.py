import pytest
from ml_pipeline.environments.embedded import health, records
from ml_pipeline.environments.embedded.health import mlflow_answers
from ml_pipeline.environments.embedded.state import State, free_port

from tests.support import predictors


@pytest.fixture
def state(tmp_path):
    return State(tmp_path / ".ml-pipeline")


def listen(state, port: int) -> None:
    records.save_endpoints(state, records.Endpoints(mlflow=port))


def test_environment_that_never_was_up_does_not_answer(state):
    assert not mlflow_answers(state)


def test_port_at_which_nobody_listens_any_more_does_not_answer(state):
    listen(state, free_port())
    assert not mlflow_answers(state)


@pytest.mark.parametrize(
    ("behaviour", "healthy"),
    [
        (predictors.answers(200), True),
        (predictors.answers(204), False),
        (predictors.answers(500), False),
        (predictors.answers(503), False),
        (predictors.resets, False),
        (predictors.breaks_off, False),
        (predictors.talks_nonsense, False),
        (predictors.hangs, False),
    ],
)
def test_only_a_whole_ok_counts(state, monkeypatch, behaviour, healthy):
    monkeypatch.setattr(health, "_SECONDS", 0.2)
    server = predictors.Predictor(behaviour)
    try:
        listen(state, server.port)
        assert mlflow_answers(state) is healthy
    finally:
        server.close()
