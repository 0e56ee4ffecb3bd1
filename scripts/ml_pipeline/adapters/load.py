"""A steady stream of requests to an endpoint, and what came back, by predictor."""

import http.client
import json
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from math import prod
from urllib.parse import urlsplit

_CONNECTIONS = 8


@dataclass
class Load:
    """Sends `per_second` requests over a few kept-alive connections until it is stopped.

    `shape` is that of one row.
    """

    # By `http.client` and not adapters/http.py: a connection that is kept is what is measured.

    url: str
    shape: tuple[int, ...]
    per_second: float
    sent: int = 0
    failed: list[str] = field(default_factory=list)
    by_predictor: Counter[str] = field(default_factory=Counter)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Begin."""
        self._threads = [
            threading.Thread(target=self._send, args=(number,), daemon=True)
            for number in range(_CONNECTIONS)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End; requests on their way are answered first."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _send(self, number: int) -> None:
        target = urlsplit(self.url)
        connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=30)
        interval = _CONNECTIONS / self.per_second
        due = time.monotonic() + number / self.per_second
        body = _request(self.shape, random.Random(number))
        while not self._stop.is_set():
            self._stop.wait(max(0.0, due - time.monotonic()))
            # By the clock, or a slow answer would lower the rate; of what was missed in a stall no
            # more than a second is made up, or the stall would be followed by a flood.
            due = max(due + interval, time.monotonic() - 1)
            self._count(*_post(connection, target.path, body))

    def _count(self, predictor: str, failure: str) -> None:
        with self._lock:
            self.sent += 1
            self.by_predictor[predictor] += 1
            if failure:
                self.failed.append(failure)


def _post(connection: http.client.HTTPConnection, path: str, body: bytes) -> tuple[str, str]:
    """Predictor that answered, and how it failed: empty if it did not."""
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return "none", repr(error)
    failure = "" if answer.status == 200 else f"{answer.status} {content[:100]!r}"
    return answer.getheader("x-predictor", "none"), failure


def _request(shape: tuple[int, ...], numbers: random.Random) -> bytes:
    row = [round(numbers.uniform(0, 16), 2) for _ in range(prod(shape))]
    rows = {"name": "rows", "shape": [1, *shape], "datatype": "FP32", "data": row}
    return json.dumps({"inputs": [rows]}).encode()
