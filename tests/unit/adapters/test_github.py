"""Against a stand-in that answers as GitHub's documentation says; the real one cannot be reached from tests."""

import json
import re

import pytest
from ml_pipeline.adapters.github import _COMMENTS, MAX_BYTES, GitHub, answered
from ml_pipeline.documents.faults import PipelineError, UnavailableError

from tests.support.api_server import JsonHandler, started

MARKER = "<!-- m -->"


class StandIn:
    """Pull requests and comments of one repository."""

    def __init__(self) -> None:
        self.pull = {"number": 7, "state": "open", "head": {"sha": "a" * 40}}
        self.comments: list[dict] = []
        self.fail = 0

    def get(self, path: str) -> list | dict:
        if path.endswith("/pulls/7"):
            return self.pull
        query = dict(pair.split("=") for pair in path.partition("?")[2].split("&"))
        at = (int(query["page"]) - 1) * int(query["per_page"])
        return self.comments[at : at + int(query["per_page"])]

    def post(self, body: str) -> None:
        self.comments.append({"id": len(self.comments) + 1, "user": {"type": "Bot"}, "body": body})

    def patch(self, number: int, body: str) -> None:
        self.comments[number - 1]["body"] = body


@pytest.fixture
def stand_in():
    return StandIn()


@pytest.fixture
def api(stand_in):
    class Handler(JsonHandler):
        def handle_it(self):
            if stand_in.fail or self.headers["Authorization"] != "Bearer t":
                return self.answer(stand_in.fail or 401, {"message": "no"})
            body = json.loads(
                self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}"
            )
            if self.command == "GET":
                return self.answer(200, stand_in.get(self.path))
            if self.command == "POST":
                stand_in.post(body["body"])
            else:
                stand_in.patch(int(re.search(r"comments/(\d+)", self.path)[1]), body["body"])
            return self.answer(200, {})

        do_GET = do_POST = do_PATCH = handle_it

    server = started(Handler)
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def github(api):
    return GitHub("o/r", "t", api)


def test_first_comment_is_written_and_the_next_replaces_it(github, stand_in):
    assert github.put_comment(7, MARKER, f"{MARKER} one")
    assert not github.put_comment(7, MARKER, f"{MARKER} two")
    assert [comment["body"] for comment in stand_in.comments] == [f"{MARKER} two"]


def test_comment_is_found_on_a_later_page(github, stand_in):
    for number in range(150):
        stand_in.post(f"{number}")
    github.put_comment(7, MARKER, f"{MARKER} one")
    github.put_comment(7, MARKER, f"{MARKER} two")
    assert len(stand_in.comments) == 151


def test_comment_of_a_person_is_left_alone(github, stand_in):
    stand_in.comments.append({"id": 1, "user": {"type": "User"}, "body": f"{MARKER} mine"})
    assert github.put_comment(7, MARKER, f"{MARKER} one")
    assert stand_in.comments[0]["body"] == f"{MARKER} mine"


def test_head_is_the_newest_commit_of_an_open_pull_request(github, stand_in):
    assert github.head(7) == "a" * 40
    stand_in.pull["state"] = "closed"
    assert github.head(7) is None


def test_refusal_is_one_line_with_what_to_check(github, stand_in):
    stand_in.fail = 403
    with pytest.raises(
        PipelineError, match=r"GitHub answers 403 to GET /pulls/7: .*; check GITHUB_TOKEN's rights"
    ):
        github.head(7)


def test_no_answer_is_named():
    with pytest.raises(
        UnavailableError, match="GitHub does not answer at http://127.0.0.1:1/repos/o/r"
    ):
        GitHub("o/r", "t", "http://127.0.0.1:1").head(7)


def test_comment_of_an_account_that_is_gone_is_passed_over(github, stand_in):
    stand_in.comments.append({"id": 1, "user": None, "body": None})
    assert github.put_comment(7, MARKER, f"{MARKER} new")


@pytest.mark.parametrize(
    "raw",
    [b"", b"{}", b"[1]", b'[{"id": "x"}]', b"[" * 100_000, b"\xff", b" " * (MAX_BYTES + 1)],
    ids=["empty", "no list", "number", "text", "deep", "no text", "large"],
)
def test_an_answer_that_is_not_documented_is_one_line(raw):
    with pytest.raises(UnavailableError) as error:
        answered(_COMMENTS, raw, "/comments")
    assert len(str(error.value).splitlines()) == 1
