from types import SimpleNamespace

import pytest
from ml_pipeline.environments.embedded.records import PodStatus
from ml_pipeline.environments.embedded.servers import Keeper, Server
from ml_pipeline.environments.embedded.state import State


@pytest.fixture
def keeper(tmp_path):
    ended = PodStatus("Ended", exit_code=3)
    return Keeper(State(tmp_path), SimpleNamespace(status=lambda _: ended), 30.0)


def server(uri: str = "pvc://artifacts/a", **more) -> Server:
    predictor = {"graph": {"name": "digits", "modelUri": uri}, "componentSpecs": [{"spec": {}}]}
    return Server("digits-run-a", "digits", "x/a", predictor, **more)


def test_server_that_ended_names_its_log(keeper):
    ended = server(started=True)
    keeper.keep(ended, None)
    assert ended.message == "exit code 3; see `ml-pipeline logs digits-run-a`"
    assert (ended.started, ended.failures) == (False, 1)


def test_last_refusal_in_the_log_is_why_a_server_ended(keeper):
    log = keeper.state.pod("digits-run-a") / "log"
    log.parent.mkdir(parents=True)
    log.write_text("refused to serve a\nrefused to serve b\nshutting down\n")
    ended = server(started=True)
    keeper.keep(ended, None)
    assert ended.message == "refused to serve b"


def test_each_end_in_a_row_waits_longer(keeper, monkeypatch):
    monkeypatch.setattr("ml_pipeline.environments.embedded.servers.time.time", lambda: 1000.0)
    ended, waits = server(), []
    for _ in range(4):
        ended.started = True
        keeper.keep(ended, None)
        waits.append(ended.not_before - 1000.0)
    assert waits == [0, 1, 3, 7]


def test_model_that_is_on_no_claim_is_not_started(keeper):
    remote = server("s3://bucket/a")
    keeper.keep(remote, None)
    assert "the embedded environment serves from pvc:// only" in remote.message
    assert not remote.started
