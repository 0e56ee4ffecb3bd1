"""What needs no server; tests/trainer/test_train.py has the real one."""

import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from ml_pipeline.adapters.mlflow import RECEIPT as READ_BY_RECONCILE
from ml_pipeline.local.state import free_port

from trainer.tracking import RECEIPT, wait_for


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
        HTTPServer(("127.0.0.1", port), Healthy).handle_request()

    threading.Thread(target=start, daemon=True).start()
    wait_for(f"http://127.0.0.1:{port}", seconds=20)


def test_trainer_and_reconcile_agree_on_the_receipt():
    assert RECEIPT == READ_BY_RECONCILE


def test_silent_mlflow_is_said_and_can_be_tried_again():
    begun = time.monotonic()
    with pytest.raises(ConnectionError, match="does not answer"):
        wait_for("http://127.0.0.1:9", seconds=0.5)
    assert time.monotonic() - begun < 30
