import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from ml_pipeline.adapters.load import Load


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    status = 200

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.status)
        self.send_header("x-predictor", "run-a")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        return


@pytest.fixture
def server():
    found = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Answer,), {}))
    found.daemon_threads = True
    threading.Thread(target=found.serve_forever, daemon=True).start()
    yield found
    found.shutdown()


def sent(url: str, at_least: int = 20) -> Load:
    load = Load(url, (2,), 200)
    load.start()
    end = time.monotonic() + 20
    while load.sent < at_least and time.monotonic() < end:
        time.sleep(0.01)
    load.stop()
    return load


def test_answers_are_counted_by_predictor(server):
    load = sent(f"http://127.0.0.1:{server.server_port}/infer")
    assert load.failed == []
    assert load.by_predictor == {"run-a": load.sent}


def test_other_answers_than_200_are_failures(server):
    server.RequestHandlerClass.status = 503
    load = sent(f"http://127.0.0.1:{server.server_port}/infer")
    assert len(load.failed) == load.sent
    assert load.failed[0].startswith("503")


def test_refused_connections_are_failures():
    load = sent("http://127.0.0.1:9/infer")
    assert len(load.failed) == load.sent
    assert load.by_predictor["none"] == load.sent
