"""Against servers that fail in each way that a server can."""

import socket
import threading
from contextlib import suppress

import pytest
from ml_pipeline.adapters import http
from ml_pipeline.adapters.http import NoAnswerError, Request, send

from tests.support import predictors


@pytest.fixture
def serve():
    """Starts a server that answers each connection with the next of some bytes."""
    listener = socket.create_server(("127.0.0.1", 0))
    asked: list[bytes] = []
    threads: list[threading.Thread] = []

    def loop(answers: tuple[bytes, ...]) -> None:
        for answer in answers:
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    asked.append(connection.recv(65536))
                    connection.sendall(answer)

    def start(*answers: bytes) -> tuple[str, list[bytes]]:
        threads.append(threading.Thread(target=loop, args=(answers,), daemon=True))
        threads[-1].start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/x", asked

    yield start
    predictors.end(listener, *threads)


def ask(url: str, **options) -> http.Answer:
    return send(Request(url, **options), seconds=2, limit=100)


def redirect(status: int, location: str) -> bytes:
    return f"HTTP/1.1 {status} Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


def test_answer_has_its_status_and_its_body(serve):
    url, _ = serve(predictors.reply(200, b"page"))
    assert ask(url) == http.Answer(200, "X", b"page")


def test_refusal_is_an_answer_too(serve):
    url, _ = serve(predictors.reply(404, b"gone"))
    answer = ask(url)
    assert (answer.is_good, answer.status, answer.body) == (False, 404, b"gone")


def test_no_more_is_read_than_the_limit(serve):
    url, _ = serve(predictors.reply(200, b"x" * 5000))
    assert len(ask(url).body) == 100


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x16\x03\x01 nonsense\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhalf",
        redirect(302, "http://127.0.0.1:9/login"),
        redirect(302, "file:///etc/passwd"),
        redirect(302, "ftp://127.0.0.1/x"),
    ],
    ids=["reset", "no HTTP", "short", "short chunk", "no chunk", "nobody", "file", "FTP"],
)
def test_what_is_no_whole_answer_is_one_line(serve, answer):
    url, _ = serve(answer)
    with pytest.raises(NoAnswerError) as error:
        ask(url)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("url", ["http://", "gopher://x", "http://127.0.0.1:port/", "http://a b/"])
def test_address_that_is_none_is_one_line(url):
    with pytest.raises(NoAnswerError):
        ask(url)


def test_login_stays_behind_where_a_server_redirects(serve):
    url, asked = serve(redirect(302, "/y"), predictors.reply(200, b"page"))
    assert ask(url, login="Bearer t").body == b"page"
    assert [b"Bearer t" in request for request in asked] == [True, False]


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_what_writes_follows_nobody(serve, method, status):
    """It would arrive as a GET without its body, and look as if it were done."""
    url, asked = serve(redirect(status, "/y"), predictors.reply(200, b"page"))
    with pytest.raises(NoAnswerError, match=f"HTTP Error {status}"):
        ask(url, method=method, body=b"{}")
    assert len(asked) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nothing_is_sent_twice(serve, method):
    url, asked = serve(b"", predictors.reply(200, b"page"))
    with pytest.raises(NoAnswerError):
        ask(url, method=method)
    assert len(asked) == 1


def test_silence_is_given_up(serve):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
        with pytest.raises(NoAnswerError, match="timed out"):
            send(Request(url), seconds=0.05, limit=100)


def test_login_that_no_header_may_hold_is_not_quoted(serve):
    with pytest.raises(NoAnswerError) as error:
        ask("http://127.0.0.1:9/", login="Bearer secret\n")
    assert "secret" not in str(error.value)


def test_login_is_in_no_representation():
    assert "secret" not in repr(Request("http://x", login="Bearer secret"))
