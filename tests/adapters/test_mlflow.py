"""Against a stand-in that can fail in each way; tests/environment/test_results.py holds it against the real server."""

import json
import re
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from ml_pipeline.adapters import mlflow
from ml_pipeline.adapters.mlflow import Tracking
from ml_pipeline.documents.faults import UnavailableError
from ml_pipeline.documents.results import MAX_BYTES, Finished


def identity_of(number: int) -> str:
    return f"{number:064x}"


@dataclass
class Server:
    """MLflow as `Tracking` sees it: experiments, settled runs (the newest last) and their receipts."""

    experiments: int = 1
    runs: list[tuple[str, str]] = field(default_factory=list)  # run id, identity
    receipts: dict[str, bytes] = field(default_factory=dict)
    running: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    answer: dict[str, tuple[int, bytes, dict]] = field(
        default_factory=dict
    )  # by part of the address
    uri: str = ""

    def add(self, number: int, receipt: bytes = b"{}") -> str:
        run = f"r{number}"
        self.runs.append((run, identity_of(number)))
        self.receipts[run] = receipt
        return identity_of(number)

    def newest_first(self) -> list[tuple[str, str]]:
        ended = [row for row in self.runs[::-1] if row[0] not in self.running]
        return ended + [row for row in self.runs if row[0] in self.running]

    def experiments_page(self, body: dict) -> dict:
        first = int(body.get("page_token", 0))
        last = min(first + body["max_results"], self.experiments)
        page = [{"experiment_id": str(n), "name": f"e{n}"} for n in range(first, last)]
        return {"experiments": page} | (
            {"next_page_token": str(last)} if last < self.experiments else {}
        )

    def runs_page(self, body: dict) -> dict:
        wanted = re.search(r"tags.identity = '(\w+)'", body["filter"])
        running = "RUNNING" in body["filter"]
        assert "tags.settled = 'true'" in body["filter"]
        found = [
            {
                "info": {"run_id": run, "experiment_id": "0", "status": "FINISHED"},
                "data": {
                    "tags": [{"key": "settled", "value": "true"}, {"key": "identity", "value": i}]
                },
            }
            for run, i in self.newest_first()
            if (not wanted or wanted[1] == i) and (not running or run in self.running)
        ]
        first = int(body.get("page_token", 0))
        last = first + body["max_results"]
        if not found[first:last]:
            return {}
        return {"runs": found[first:last]} | (
            {"next_page_token": str(last)} if last < len(found) else {}
        )


class Handler(BaseHTTPRequestHandler):
    server_of: Server

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = self.path.removeprefix("/api/2.0/mlflow/")
        self.server_of.asked.append(name)
        if not self.spoiled():
            page = {"experiments/search": "experiments_page", "runs/search": "runs_page"}
            data = getattr(self.server_of, page[name])(body) if name in page else {}
            self.reply(200, json.dumps(data).encode(), {})

    def do_GET(self):
        run = parse_qs(urlsplit(self.path).query)["run_uuid"][0]
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


def test_finished_runs_come_with_their_receipt(server, tracking):
    identity = server.add(1, b'{"signature": true}')
    look = tracking.look({identity, identity_of(2)})
    assert look.results == {identity: Finished("r1", "e0", b'{"signature": true}')}
    assert (look.unknown, look.held) == (frozenset(), ())


def test_nothing_awaited_asks_nothing():
    assert Tracking("http://127.0.0.1:9").look(set()).held == ()


def test_more_runs_and_experiments_than_one_page_holds_are_all_read(server, tracking):
    server.experiments = 2500
    awaited = {server.add(number) for number in range(1300)}
    assert tracking.look(awaited).results.keys() == awaited
    assert server.asked.count("experiments/search") == 3
    assert server.asked.count("runs/search") == 3


def test_looks_cost_the_same_however_much_is_awaited_and_was_settled_before(server, tracking):
    for number in range(700):
        server.add(number)
    awaited = {identity_of(number) for number in range(10_000, 11_000)}
    tracking.look(awaited)
    server.asked.clear()
    server.add(10_007)
    assert tracking.look(awaited).results.keys() == {identity_of(10_007)}
    assert server.asked.count("runs/search") <= 4


def test_receipt_is_fetched_once(server, tracking):
    identity = server.add(1)
    assert tracking.look({identity}).results == tracking.look({identity}).results
    assert server.asked.count("receipt r1") == 1


def test_run_whose_trainer_was_killed_before_it_could_end_is_found(server, tracking):
    tracking.look({identity_of(1)})
    for number in range(100, 150):
        server.add(number)
    tracking.look({identity_of(1)})
    server.add(1)
    server.running.add("r1")
    assert tracking.look({identity_of(1)}).results.keys() == {identity_of(1)}


def test_run_of_a_failed_job_is_asked_for_by_its_identity(server, tracking):
    """Clocks of pods differ: its run may look older than those that are known."""
    for number in range(100, 150):
        server.add(number)
    tracking.look({identity_of(1)})
    server.runs.insert(0, ("r1", identity_of(1)))
    server.receipts["r1"] = b"{}"
    assert tracking.look({identity_of(1)}).results == {}
    look = tracking.look({identity_of(1)}, {identity_of(1)[:10]})
    assert look.results.keys() == {identity_of(1)}


def test_run_that_was_deleted_is_forgotten_once_it_is_awaited_again(server, tracking):
    identity = server.add(1)
    assert tracking.look({identity, identity_of(2)}).results
    tracking.look({identity_of(2)})
    server.runs.clear()
    assert tracking.look({identity, identity_of(2)}).results == {}


ERROR = json.dumps({"error_code": "INTERNAL_ERROR", "message": "x"}).encode()
CUT = {"Content-Length": 5000}


@pytest.mark.parametrize("where", ["experiments/search", "runs/search"])
@pytest.mark.parametrize(
    "answer",
    [
        (500, ERROR, {}),
        (503, b"", {}),
        (302, b"", {"Location": "http://127.0.0.1:9/login"}),
        (200, b"<html>maintenance</html>", {}),
        (200, b'{"runs": [{"info"', {}),
        (200, b'{"runs": [', CUT),
        (200, ERROR, {}),
        (200, b'{"error": "overloaded"}', {}),
        (200, b"[]", {}),
        (200, b'{"runs": [{"info": {"run_id": 5}}], "experiments": 7}', {}),
        (200, b"[" * 200_000, {}),
    ],
)
def test_nonsense_leaves_everything_unknown(server, tracking, where, answer):
    identity = server.add(1)
    server.answer[where] = answer
    look = tracking.look({identity}, {identity[:10]})
    assert (look.results, look.unknown) == ({}, {identity})
    (hold,) = look.held
    assert hold.what == "MLflow"
    assert "nothing is recorded" in hold.reason
    assert "\n" not in hold.reason


def test_server_without_any_experiment_is_not_the_one_that_is_meant(server, tracking):
    server.experiments = 0
    look = tracking.look({identity_of(1)})
    assert look.unknown == {identity_of(1)}
    assert "not even Default" in look.held[0].reason


@pytest.mark.parametrize(
    "answer",
    [
        (404, b"", {}),
        (500, ERROR, {}),
        (200, b"<html>maintenance</html>", {}),
        (200, b"{", {**CUT, "Content-Disposition": "attachment; filename=receipt.json"}),
    ],
)
def test_receipt_that_cannot_be_fetched_does_not_hide_those_before_it(server, tracking, answer):
    awaited = {server.add(number) for number in (1, 2, 3)}
    server.answer["run_uuid=r3"] = answer
    look = tracking.look(awaited)
    assert look.results.keys() == awaited - {identity_of(3)}
    assert look.unknown == {identity_of(3)}
    assert len(look.held) == 1


def test_refused_receipt_does_not_hide_those_after_it(server, tracking):
    awaited = {server.add(number) for number in (1, 2, 3)}
    server.answer["run_uuid=r1"] = (500, b"", {})
    assert tracking.look(awaited).results.keys() == awaited - {identity_of(1)}


def test_server_that_falls_silent_keeps_what_was_read_before(server, tracking):
    awaited = {server.add(1), identity_of(2)}
    tracking.look(awaited)
    server.answer["experiments/search"] = (503, b"", {})
    look = tracking.look(awaited)
    assert (look.results.keys(), look.unknown) == ({identity_of(1)}, {identity_of(2)})


def test_silent_server_is_named():
    look = Tracking("http://127.0.0.1:9").look({identity_of(1)})
    assert look.unknown == {identity_of(1)}
    assert "MLflow at http://127.0.0.1:9 does not answer" in look.held[0].reason


def test_hanging_server_is_given_up(monkeypatch):
    monkeypatch.setattr(mlflow, "TIMEOUT_SECONDS", 0.05)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        look = Tracking(f"http://127.0.0.1:{deaf.getsockname()[1]}").look({identity_of(1)})
    assert "timed out" in look.held[0].reason


def test_of_a_huge_receipt_no_more_is_read_than_says_that_it_is_huge(server, tracking):
    identity = server.add(1, b"x" * (MAX_BYTES + 5000))
    assert len(tracking.look({identity}).results[identity].receipt) == MAX_BYTES + 1


def test_run_is_deleted(server, tracking):
    tracking.delete("r1")
    assert server.asked == ["runs/delete"]
    server.answer["runs/delete"] = (404, b"", {})
    with pytest.raises(UnavailableError, match="with 404"):
        tracking.delete("r1")
