"""Stand-in predictors, each of which answers in one way, and a real Envoy in front of them."""

import http.client
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType

from ml_pipeline.environments.embedded.router import Router
from ml_pipeline.environments.embedded.services import program
from ml_pipeline.environments.embedded.state import State, free_port

from tests.conftest import until

# What a predictor does with the connection of its n-th request, n from 0; True keeps the connection open.
Behaviour = Callable[[socket.socket, int], bool]


def reply(status: int, body: bytes = b"{}") -> bytes:
    return b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body)


def answers(status: int, seconds: float = 0.0) -> Behaviour:
    def behave(connection: socket.socket, number: int) -> bool:
        time.sleep(seconds)
        connection.sendall(reply(status))
        return True

    return behave


def healthy(connection: socket.socket, number: int) -> bool:
    return answers(200)(connection, number)


def hangs(connection: socket.socket, number: int) -> bool:
    connection.recv(1)  # until the other side has had enough
    return False


def resets(connection: socket.socket, number: int) -> bool:
    # With a linger of 0 s, close() sends RST instead of FIN.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    return False


def breaks_off(connection: socket.socket, number: int) -> bool:
    connection.sendall(b"HTTP/1.1 200 X\r\ncontent-length: 100\r\n\r\nhalf")
    return False


def talks_nonsense(connection: socket.socket, number: int) -> bool:
    connection.sendall(b"\x16\x03\x01\x02 this is no HTTP\r\n\r\n")
    return False


def loses_the_first_try(connection: socket.socket, number: int) -> bool:
    """Of requests that come one by one the first try meets a reset, and the second is answered."""
    return resets(connection, number) if number % 2 == 0 else healthy(connection, number)


def fails_now_and_then(connection: socket.socket, number: int) -> bool:
    return answers(500 if number % 4 == 0 else 200)(connection, number)


def end(listener: socket.socket, *threads: threading.Thread) -> None:
    """Close a listener once nothing waits in its accept().

    A system call that goes on after a pause of the process takes the descriptor by its number,
    and by then that may be another server's.
    """
    with suppress(OSError):  # it has ended by itself
        listener.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join()
    listener.close()


class Predictor:
    """Listens on a port and treats each request as its behaviour says, but questions whether it is
    ready as `readiness` does. `asked` holds the first lines of the former."""

    def __init__(self, behaviour: Behaviour, readiness: Behaviour = healthy) -> None:
        self.behaviour, self.readiness, self.seen = behaviour, readiness, 0
        self.asked: list[str] = []
        self._lock = threading.Lock()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        end(self.socket, self._thread)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                while first := _read_request(connection):
                    if first.startswith("GET ") and "/ready" in first:
                        keeps = self.readiness(connection, 0)
                    else:
                        with self._lock:
                            number, self.seen = self.seen, self.seen + 1
                            self.asked.append(first)
                        keeps = self.behaviour(connection, number)
                    if not keeps:
                        return
            except OSError:
                return


def _read_request(connection: socket.socket) -> str:
    """The first line of one request, read with its body; empty where the connection has ended."""
    raw = b""
    while b"\r\n\r\n" not in raw:
        part = connection.recv(65536)
        if not part:
            return ""
        raw += part
    head, _, body = raw.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    length = int(lengths[0].partition(b":")[2]) if lengths else 0
    while len(body) < length:
        body += connection.recv(65536)
    return head.partition(b"\r\n")[0].decode()


@contextmanager
def running_envoy(folder: Path, timeout_seconds: float = 30.0) -> Iterator[Router]:
    """A real Envoy with the shipped configuration, ended with the block."""
    router = Router(State(folder), free_port(), timeout_seconds)
    router.prepare()
    with (folder / "envoy.log").open("wb") as log:
        envoy = subprocess.Popen(
            router.command(program("envoy")), cwd=folder, stdout=log, stderr=log
        )
        try:
            until(lambda: listens(router.port) and router.readiness() is not None)
            yield router
        finally:
            envoy.kill()
            envoy.wait()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def ask(
    port: int,
    path: str,
    seconds: float = 10.0,
    *,
    method: str = "POST",
    headers: Mapping[str, str] = MappingProxyType({}),
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of one request; status 0 where no whole answer came."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request(method, path, b"{}" if method == "POST" else None, dict(headers))
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, {}, b""
    finally:
        connection.close()


def ask_many(port: int, path: str, times: int, *, seconds: float = 10.0, at_once: int = 16):
    """Statuses of many requests."""
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(lambda _: ask(port, path, seconds)[0], range(times)))
