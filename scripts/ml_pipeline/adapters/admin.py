"""HTTP over a socket in a folder: how Envoy's admin interface is asked."""

import http.client
import os
import socket
from pathlib import Path

MAX_BYTES = 4 * 1024 * 1024  # a page of a hundred predictors has a tenth of it


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
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


def get(path: Path, target: str, *, seconds: float) -> str:
    """The page at `target` of the server that listens at the socket `path`.

    Raises:
        OSError: nothing listens there, or it answers another status than 200, or more than MAX_BYTES.
        HTTPException: what it answers is no HTTP.
    """
    connection = _Connection(path, seconds)
    try:
        connection.request("GET", target)
        answer = connection.getresponse()
        body = answer.read(MAX_BYTES + 1)
    finally:
        connection.close()
    if answer.status != 200:
        raise OSError(f"{target} is answered {answer.status}")
    if len(body) > MAX_BYTES:
        raise OSError(f"{target} has more than {MAX_BYTES} bytes")
    return body.decode(errors="replace")
