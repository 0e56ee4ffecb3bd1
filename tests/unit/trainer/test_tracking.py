"""What needs no server; tests/unit/trainer/test_train.py has the real one."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

import mlflow
import pytest
from ml_pipeline.adapters.mlflow.tracking import RECEIPT as READ_BY_RECONCILE
from ml_pipeline.environments.embedded.state import free_port

from tests.support.mlflow_server import mlflow_server
from trainer.tracking import IDENTITY, RECEIPT, SETTLED, finished_run, wait_for


class Healthy(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        return


def test_server_that_starts_late_is_waited_for():
    port = free_port()

    def start():
        time.sleep(0.5)
        HTTPServer(("127.0.0.1", port), Healthy).serve_forever()

    threading.Thread(target=start, daemon=True).start()
    wait_for(f"http://127.0.0.1:{port}", seconds=20)


def test_trainer_and_reconcile_agree_on_the_receipt():
    assert RECEIPT == READ_BY_RECONCILE


def test_silent_mlflow_is_said_and_can_be_tried_again():
    begun = time.monotonic()
    with pytest.raises(ConnectionError, match="does not answer"):
        wait_for("http://127.0.0.1:9", seconds=0.5)
    assert time.monotonic() - begun < 30


@pytest.mark.slow
def test_finished_run_is_found_among_more_than_a_thousand_experiments(tmp_path, monkeypatch):
    with mlflow_server(tmp_path) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        mlflow.set_tracking_uri(uri)
        client = mlflow.MlflowClient(uri)
        oldest = client.create_experiment("oldest")
        tags = {IDENTITY: "a" * 64, SETTLED: "true"}
        run = client.create_run(oldest, tags=tags).info.run_id
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(client.create_experiment, [f"e{n}" for n in range(1001)]))
        assert finished_run("a" * 64) == run
        assert finished_run("b" * 64) is None
