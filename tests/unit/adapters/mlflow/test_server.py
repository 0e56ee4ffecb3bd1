"""What the registry makes of a server's answers; test_registry.py asks the real one."""

import json

import pytest
from ml_pipeline.adapters.mlflow.registry import Registry
from ml_pipeline.adapters.mlflow.server import Login, RefusedError
from ml_pipeline.documents.faults import UnavailableError
from ml_pipeline.rules.automation.mirror import Alias, Mirror, RunNote, Version

from tests.support.api_server import JsonHandler, started

RUN = {
    "info": {"run_id": "r1", "experiment_id": "0", "status": "RUNNING", "start_time": 1},
    "data": {"tags": [{"key": "identity", "value": "a" * 64}], "metrics": [{"key": "x"}]},
}
VERSION = Version("lamp", "good/1", "file:///a", "r1", "m1", "models:/m1", "Good", (("run", "good/1"),))  # fmt: skip


@pytest.fixture
def server():
    """Answers by method; what was asked, in order."""

    class Handler(JsonHandler):
        replies: dict = {}  # noqa: RUF012
        asked: list = []  # noqa: RUF012

        def handle_it(self):
            method = self.path.partition("?")[0].removeprefix("/api/2.0/mlflow/")
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.asked.append((self.command, method, json.loads(body or b"{}")))
            replies = self.replies.get(method, {})
            reply = replies.pop(0) if isinstance(replies, list) else replies
            self.answer(*(reply if isinstance(reply, tuple) else (200, reply)))

        do_GET = do_POST = do_DELETE = handle_it

    http = started(type("Own", (Handler,), {"replies": {}, "asked": []}))
    yield http.RequestHandlerClass, Registry(f"http://127.0.0.1:{http.server_port}")
    http.shutdown()


def mirror(**parts) -> Mirror:
    empty = {"notes": (), "versions": (), "aliases": (), "names": ()}
    return Mirror(**{**empty, **parts})


def test_pages_are_read_to_the_end(server):
    handler, registry = server
    first = {"experiments": [{"experiment_id": "0"}], "next_page_token": "p"}
    handler.replies["experiments/search"] = [first, {"experiments": [{"experiment_id": "7"}]}]
    assert registry._experiments() == ["0", "7"]
    assert [body.get("page_token") for _, _, body in handler.asked] == [None, "p"]


def test_tags_are_written_where_they_differ(server):
    handler, registry = server
    handler.replies["runs/get"] = {"run": RUN}
    note = RunNote("a" * 64, "r1", (("owner", "ada"), ("identity", "a" * 64)), "it failed")
    assert registry.bring(mirror(notes=(note,))) == []
    batch, ended = (body for command, _, body in handler.asked if command == "POST")
    assert {tag["key"] for tag in batch["tags"]} == {"owner", "reason"}
    assert (ended["run_id"], ended["status"]) == ("r1", "FAILED")


def test_alias_follows_the_version(server):
    handler, registry = server
    handler.replies["model-versions/create"] = {"model_version": {"version": "3"}}
    handler.replies["registered-models/search"] = {
        "registered_models": [
            {"name": "lamp"},
            {"name": "desk", "aliases": [{"alias": "local", "version": "1"}]},
        ]
    }
    wanted = mirror(versions=(VERSION,), aliases=(Alias("lamp", "local", "good/1"),), names=("local",))  # fmt: skip
    lines = registry.bring(wanted)
    assert lines == [
        "registered good/1 as version 3 of lamp",
        "local is version 3 of lamp",
        "local is no version of desk any more",
    ]
    assert ("DELETE", "registered-models/alias", {"name": "desk", "alias": "local"}) in handler.asked  # fmt: skip


def test_version_that_is_there_is_not_made_again(server):
    handler, registry = server
    tags = [{"key": "run", "value": "good/1"}]
    handler.replies["model-versions/search"] = {"model_versions": [{"version": "3", "tags": tags}]}
    assert registry.bring(mirror(versions=(VERSION,))) == []


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ((500, b""), "refuses experiments/search: HTTP Error 500"),
        ((200, b"<html>"), "does not answer (Expecting value"),
        ((200, b"[" * 200_000), "does not answer ("),
        ((200, b'{"experiments": [5]}'), "does not answer (nonsense to experiments/search: "),
        ((200, b"[]"), "does not answer (nonsense to experiments/search: "),
    ],
)
def test_answer_that_is_none_is_one_line(server, reply, text):
    handler, registry = server
    handler.replies["experiments/search"] = reply
    with pytest.raises(UnavailableError) as error:
        registry._experiments()
    assert text in str(error.value)
    assert (str(error.value).isprintable(), isinstance(error.value, RefusedError)) == (True, False)


def test_refusal_has_mlflow_s_word_for_it(server):
    handler, registry = server
    said = {"error_code": "PERMISSION_DENIED", "message": "not yours\n"}
    handler.replies["registered-models/get"] = (403, said)
    with pytest.raises(RefusedError, match="refuses registered-models/get: not yours") as error:
        registry._model("lamp")
    assert error.value.code == "PERMISSION_DENIED"


def test_login_is_in_no_representation():
    assert "abc" not in repr(Registry("http://x", Login("Bearer abc")))
