import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from ml_pipeline.adapters.mlflow import Tracking
from ml_pipeline.documents.faults import UnavailableError

IDENTITY = "a" * 64


class Server(BaseHTTPRequestHandler):
    """The three answers that `Tracking` reads; tests/environment/ reads them from the real server."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("experiments/search"):
            self.answer({"experiments": [{"experiment_id": "1", "name": "digits"}]})
        else:
            found = IDENTITY in body["filter"]
            self.answer(
                {"runs": [{"info": {"run_id": "r1", "experiment_id": "1"}}]} if found else {}
            )

    def do_GET(self):
        self.answer({"signature": True})

    def answer(self, data):
        raw = json.dumps(data).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_):
        return


@pytest.fixture
def tracking():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Tracking(f"http://127.0.0.1:{server.server_port}")
    server.shutdown()


def test_finished_runs_come_with_their_receipt(tracking):
    assert tracking.results({IDENTITY}) == {
        IDENTITY: {"signature": True, "run_id": "r1", "experiment": "digits"}
    }


def test_unfinished_runs_are_absent(tracking):
    assert tracking.results({"b" * 64}) == {}


def test_silent_server_is_unavailable():
    with pytest.raises(UnavailableError, match="nothing is recorded"):
        Tracking("http://127.0.0.1:9").results({IDENTITY})


def test_nothing_awaited_asks_nothing():
    assert Tracking("http://127.0.0.1:9").results(set()) == {}
