"""The one HTTP client: a request, and the answer to it or one line that says why there is none.

What every caller is kept from: waiting for ever, reading without end, a login that is passed on to
whom a server redirects, half an answer that looks like a whole one. Nothing is sent twice: only
callers know what may be, and the next pass of `reconcile` asks again anyway.

https://docs.python.org/3/library/urllib.request.html; decision 0035 says why it is not urllib3.
"""

import http.client
import os
import socket
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import cast

from ml_pipeline.documents.faults import UnavailableError
from ml_pipeline.documents.fields import one_line

_LONGEST_REASON = 200  # characters
_MOST_OF_AN_ERROR = 64 * 1024  # bytes; what a server says of a refusal is shown in part only
_REDIRECTS = range(300, 400)
# Not among them are those of urllib that read files or speak FTP: a redirect could name either.
_OVER_TCP = (
    urllib.request.ProxyHandler,
    urllib.request.HTTPHandler,
    urllib.request.HTTPSHandler,
    urllib.request.UnknownHandler,
)


class NoAnswerError(UnavailableError):
    """No whole answer came; the text says why, and not from whom."""


@dataclass(frozen=True)
class Request:
    """What is asked. `login` is the value of the header Authorization."""

    url: str
    method: str = "GET"
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    login: str = field(default="", repr=False)


@dataclass(frozen=True)
class Answer:
    """What came, of whatever status; of the body no more bytes than the caller has set a limit."""

    status: int
    reason: str
    body: bytes
    disposition: str = ""

    @property
    def is_good(self) -> bool:
        """Whether the server did what it was asked to."""
        return 200 <= self.status < 300

    @property
    def status_line(self) -> str:
        """The status for a person to read."""
        return f"HTTP Error {self.status}: {self.reason}"


def with_query(address: str, query: Mapping[str, str]) -> str:
    """An address with what is asked there."""
    return f"{address}?{urllib.parse.urlencode(query)}"


def path_of(address: str) -> str:
    """The path of an address, without the server and what is asked there."""
    return urllib.parse.urlsplit(address).path


def send(
    request: Request, *, seconds: float, limit: int, unix_socket: Path | None = None
) -> Answer:
    """The answer to a request, over TCP or at a socket in a folder; `limit` bytes of it at most.

    `seconds` is how long the connection may take, and each silence after that.

    Raises:
        NoAnswerError: nobody listens, or what comes is late, too short, elsewhere or no HTTP.
    """
    if not request.login.isprintable():
        # Said here: the standard library would quote the login in its error.
        raise NoAnswerError("the login holds a line break, or what no header may hold")
    try:
        prepared = _prepared(request)
        opener = _opener(unix_socket, follows=request.method == "GET")
        with opener.open(prepared, timeout=seconds) as response:
            return _answer(cast(http.client.HTTPResponse, response), limit)
    except urllib.error.HTTPError as error:
        return _refusal(error, limit)
    # A server can send what Python takes for no HTTP, and an address may be none: ValueError.
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NoAnswerError(one_line(str(error), _LONGEST_REASON)) from error


def _prepared(request: Request) -> urllib.request.Request:
    headers = dict(request.headers)
    prepared = urllib.request.Request(request.url, request.body, headers, method=request.method)
    if request.login:
        # Whom it is redirected to never sees the login, not even on the same host.
        prepared.add_unredirected_header("Authorization", request.login)
    return prepared


def _answer(response: http.client.HTTPResponse, limit: int) -> Answer:
    body = response.read(limit)
    # Reading a part says nothing of a body that ends too early: what is announced and lacks does.
    if len(body) < limit and response.length:
        raise http.client.IncompleteRead(body, response.length)
    disposition = response.headers.get("Content-Disposition") or ""
    return Answer(response.status, response.reason, body, disposition)


def _refusal(error: urllib.error.HTTPError, limit: int) -> Answer:
    """An answer that is none of success. Its status counts, so its body may be cut or missing."""
    if error.code in _REDIRECTS:
        error.close()
        raise NoAnswerError(one_line(str(error), _LONGEST_REASON)) from error
    body = b""
    with error, suppress(OSError, http.client.HTTPException):
        body = error.read(min(limit, _MOST_OF_AN_ERROR))
    return Answer(error.code, str(error.reason), body)


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, host: str, *, timeout: float) -> None:
        super().__init__(host, timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect through the folder's handle: the path of a socket has room for 107 bytes only."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        folder = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.sock.connect(f"/proc/self/fd/{folder}/{self._path.name}")
        finally:
            os.close(folder)


class _SocketHandler(urllib.request.HTTPHandler):
    """Takes the connection to one socket, whatever host the address names."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        """Ask whoever listens at the socket."""
        try:
            return self.do_open(partial(_SocketConnection, self._path), req)
        except urllib.error.URLError as error:
            if isinstance(error.reason, OSError):
                # What the system has said of the socket, without urllib's words around it.
                raise error.reason from error
            raise


@cache
def _opener(unix_socket: Path | None, *, follows: bool) -> urllib.request.OpenerDirector:
    """Kept, because certificates are read each time that one is made.

    Only what reads follows a redirect. Anything else would arrive as a GET, without its body: not
    done, and taken for done.
    """
    opener = urllib.request.OpenerDirector()
    if unix_socket is None:
        for handler in _OVER_TCP:
            opener.add_handler(handler())
        if follows:
            opener.add_handler(urllib.request.HTTPRedirectHandler())
    else:
        opener.add_handler(_SocketHandler(unix_socket))
    opener.add_handler(urllib.request.HTTPErrorProcessor())
    opener.add_handler(urllib.request.HTTPDefaultErrorHandler())
    return opener
