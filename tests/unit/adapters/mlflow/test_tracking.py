"""Against a stand-in that can fail in each way; tests/embedded/test_results.py holds it against the real server."""

import json
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from ml_pipeline.adapters.mlflow import server as mlflow
from ml_pipeline.adapters.mlflow.server import Login
from ml_pipeline.adapters.mlflow.tracking import Tracking
from ml_pipeline.documents.faults import UnavailableError
from ml_pipeline.documents.results import MAX_BYTES, Finished, TerminationMessage

from tests.support.simulate import word


def identity_of(number: int) -> str:
    return f"{number:064x}"


def run_of(number: int) -> str:
    return f"{number:032x}"


@dataclass
class Server:
    """MLflow as `Tracking` sees it: runs and their receipts."""

    receipts: dict[str, bytes] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    logins: list[str | None] = field(default_factory=list)
    answer: dict[str, tuple[int, bytes, dict]] = field(
        default_factory=dict
    )  # by part of the address
    uri: str = ""

    def add(self, number: int, receipt: bytes = b"{}") -> dict[str, TerminationMessage]:
        """A finished run, and the word of its pod by its identity."""
        self.receipts[run_of(number)] = receipt
        found = word(receipt, identity_of(number)).model_copy(update={"mlflow_run": run_of(number)})
        return {identity_of(number): found}

    def run(self, run: str) -> dict:
        info = {
            "run_id": run,
            "experiment_id": "7",
            "artifact_uri": f"mlflow-artifacts:/7/{run}/artifacts",
            "lifecycle_stage": "deleted" if run in self.deleted else "active",
        }
        return {"run": {"info": info, "outputs": {"model_outputs": [{"model_id": "m-1"}]}}}


class Handler(BaseHTTPRequestHandler):
    server_of: Server

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server_of.asked.append(self.path.removeprefix("/api/2.0/mlflow/"))
        if not self.spoiled():
            self.reply(200, b"{}", {})

    def do_GET(self):
        query = parse_qs(urlsplit(self.path).query)
        self.server_of.logins.append(self.headers["Authorization"])
        run = query.get("run_id", query.get("run_uuid"))[0]
        if "runs/get" in self.path and not self.spoiled():
            self.reply(200, json.dumps(self.server_of.run(run)).encode(), {})
        elif "get-artifact" in self.path:
            self.server_of.asked.append(f"receipt {run}")
            if not self.spoiled():
                raw = self.server_of.receipts[run]
                self.reply(200, raw, {"Content-Disposition": "attachment; filename=receipt.json"})

    def spoiled(self) -> bool:
        for part, (code, raw, headers) in self.server_of.answer.items():
            if part in self.path:
                self.reply(code, raw, headers)
                return True
        return False

    def reply(self, code, raw, headers):
        self.send_response(code)
        for name, value in ({"Content-Length": len(raw)} | headers).items():
            self.send_header(name, str(value))
        self.end_headers()
        with suppress(BrokenPipeError, ConnectionResetError):  # the other side has read enough
            self.wfile.write(raw)

    def log_message(self, *_):
        return


@pytest.fixture
def server():
    found = Server()
    http = ThreadingHTTPServer(("127.0.0.1", 0), type("Mine", (Handler,), {"server_of": found}))
    threading.Thread(target=http.serve_forever, daemon=True).start()
    found.uri = f"http://127.0.0.1:{http.server_port}"
    yield found
    http.shutdown()


@pytest.fixture
def tracking(server) -> Tracking:
    return Tracking(server.uri)


def test_results_are_the_receipts_of_the_runs_that_pods_have_named(server, tracking):
    words = server.add(1, b'{"signature": true}')
    (found,) = tracking.look(words).results.values()
    folders = (f"mlflow/7/{run_of(1)}/artifacts", "mlflow/7/models/m-1/artifacts")
    assert found == Finished(words[identity_of(1)], b'{"signature": true}', folders)


def test_nothing_that_was_said_asks_nothing():
    assert Tracking("http://127.0.0.1:9").look({}).held == ()


def test_receipt_that_is_as_its_pod_has_left_it_is_fetched_once(server, tracking):
    words = server.add(1)
    assert tracking.look(words).results == tracking.look(words).results
    assert server.asked.count(f"receipt {run_of(1)}") == 1


def test_receipt_that_is_another_is_fetched_until_it_is_restored(server, tracking):
    words = server.add(1)
    server.receipts[run_of(1)] = b"forged"
    assert not tracking.look(words).results[identity_of(1)].is_as_said
    server.receipts[run_of(1)] = b"{}"
    assert tracking.look(words).results[identity_of(1)].is_as_said


def test_run_that_was_deleted_gives_nothing(server, tracking):
    words = server.add(1)
    server.deleted.add(run_of(1))
    look = tracking.look(words)
    assert (look.results, look.refused) == (
        {},
        {identity_of(1): f"MLflow run {run_of(1)} is deleted"},
    )


ERROR = json.dumps({"error_code": "INTERNAL_ERROR", "message": "x"}).encode()
CUT = {"Content-Length": 5000}
ATTACHED = {"Content-Disposition": "attachment; filename=receipt.json"}


@pytest.mark.parametrize(
    ("where", "answer"),
    [
        ("runs/get", (404, b"", {})),
        ("runs/get", (500, ERROR, {})),
        ("runs/get", (200, b"<html>maintenance</html>", {})),
        ("runs/get", (200, b'{"run": {"info"', {})),
        ("runs/get", (200, ERROR, {})),
        ("runs/get", (200, b'{"error": "overloaded"}', {})),
        ("runs/get", (200, b"[]", {})),
        ("runs/get", (200, b'{"run": {"info": {"run_id": 5}}}', {})),
        ("runs/get", (200, json.dumps(Server().run("f" * 32)).encode(), {})),
        ("runs/get", (200, b"[" * 200_000, {})),
        ("get-artifact", (404, b"", {})),
        ("get-artifact", (500, ERROR, {})),
        ("get-artifact", (200, b"<html>maintenance</html>", {})),
    ],
)
def test_what_mlflow_does_not_give_is_said_in_one_line(server, tracking, where, answer):
    words = server.add(1)
    server.answer[where] = answer
    look = tracking.look(words)
    assert (look.results, look.held) == ({}, ())
    assert "nothing is recorded" in look.refused[identity_of(1)]
    assert look.refused[identity_of(1)].isprintable()


@pytest.mark.parametrize(
    "answer",
    [
        (302, b"", {"Location": "http://127.0.0.1:9/login"}),
        (200, b"{", {**CUT, **ATTACHED}),
    ],
)
def test_silent_server_ends_the_look_and_keeps_what_it_gave(server, tracking, answer):
    words = server.add(1) | server.add(2)
    tracking.look(server.add(1))
    server.answer["get-artifact"] = answer
    look = tracking.look(words)
    assert list(look.results) == [identity_of(1)]
    assert (look.held[0].what, "does not answer" in look.held[0].reason) == ("MLflow", True)


def test_refused_receipt_does_not_hide_those_after_it(server, tracking):
    words = server.add(1) | server.add(2) | server.add(3)
    server.answer[f"run_uuid={run_of(1)}"] = (500, b"", {})
    assert list(tracking.look(words).results) == [identity_of(2), identity_of(3)]


def test_silent_server_is_named(server):
    look = Tracking("http://127.0.0.1:9").look(server.add(1))
    assert "MLflow at http://127.0.0.1:9 does not answer" in look.held[0].reason


def test_hanging_server_is_given_up(server, monkeypatch):
    monkeypatch.setattr(mlflow, "TIMEOUT_SECONDS", 0.05)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        look = Tracking(f"http://127.0.0.1:{deaf.getsockname()[1]}").look(server.add(1))
    assert "timed out" in look.held[0].reason


def test_of_a_huge_receipt_no_more_is_read_than_says_that_it_is_huge(server, tracking):
    words = server.add(1, b"x" * (MAX_BYTES + 5000))
    found = tracking.look(words).results[identity_of(1)]
    assert (len(found.receipt), found.is_as_said) == (MAX_BYTES + 1, False)


# ---- the login -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "header"),
    [
        ({"USERNAME": "ada", "PASSWORD": "x:y"}, "Basic YWRhOng6eQ=="),
        ({"TOKEN": "t"}, "Bearer t"),
        ({"USERNAME": "ada", "TOKEN": "t"}, "Bearer t"),
        ({}, None),
    ],
)
def test_login_is_that_of_mlflow_s_own_client(server, monkeypatch, variables, header):
    for name, value in variables.items():
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", value)
    Tracking(server.uri, Login.of("environment.yaml", "mlflow-login")).look(server.add(1))
    assert set(server.logins) == {header}


def test_login_goes_to_nobody_it_is_redirected_to(server, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t")
    server.answer["runs/get"] = (302, b"", {"Location": f"{server.uri}/get-artifact?run_uuid=1"})
    server.answer["get-artifact"] = (200, b"{}", {})
    Tracking(server.uri, Login.of("environment.yaml", "mlflow-login")).look(server.add(1))
    assert server.logins == ["Bearer t", None]


@pytest.mark.parametrize("code", [401, 403])
def test_refused_login_names_the_secret_and_fails_nothing(server, monkeypatch, code):
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t")
    server.answer["runs/get"] = (code, b"", {})
    look = Tracking(server.uri, Login.of("a/environment.yaml", "mlflow-login")).look(server.add(1))
    assert (look.results, look.refused) == ({}, {})
    (hold,) = look.held
    assert f"refuses the login ({code}); nothing is recorded until" in hold.reason
    assert hold.reason.endswith("in Secret mlflow-login, tracking.secret of a/environment.yaml")


def test_run_is_deleted(server, tracking):
    tracking.delete("r1")
    assert server.asked == ["runs/delete"]
    server.answer["runs/delete"] = (404, b"", {})
    with pytest.raises(UnavailableError, match="with 404"):
        tracking.delete("r1")
