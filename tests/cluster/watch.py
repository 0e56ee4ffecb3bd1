"""What the API server has told since a moment: every change of some objects, with the time it was seen here."""

import contextlib
import json
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OPEN_SECONDS = 60


@dataclass
class Watch:
    """Follows one collection, such as `/apis/batch/v1/namespaces/x/jobs`, across restarts of the API server."""

    kubeconfig: Path
    path: str
    seen: list[tuple[float, str, dict[str, Any]]] = field(default_factory=list)
    _stopped: bool = False
    _open: Any = None
    _is_open: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Watch":
        """Returns once the API server has answered: from then on every change is seen when it happens."""
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()
        assert self._is_open.wait(OPEN_SECONDS), f"no watch of {self.path}"
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped = True
        if self._open is not None:
            with contextlib.suppress(Exception):
                self._open.shutdown()
        self._thread.join(timeout=2)

    def names(self) -> dict[str, set[str]]:
        """Uids of all objects ever seen, by name: two uids under one name are two objects."""
        found: dict[str, set[str]] = {}
        for _, _, thing in list(self.seen):
            found.setdefault(thing["metadata"]["name"], set()).add(thing["metadata"]["uid"])
        return found

    def first(self, since: float, holds) -> float | None:
        """When something was first true of an object after a moment; None while it was not."""
        return next(
            (at for at, kind, thing in list(self.seen) if at >= since and holds(kind, thing)), None
        )

    def _follow(self) -> None:
        from kubernetes import config

        while not self._stopped:
            try:
                api = config.new_client_from_config(str(self.kubeconfig))
                answer = api.call_api(
                    self.path,
                    "GET",
                    query_params=[("watch", "true")],
                    auth_settings=["BearerToken"],
                    response_types_map={200: None},
                    _preload_content=False,
                    _return_http_data_only=True,
                )
                self._open = answer
                self._is_open.set()
                self._read(answer)
            except Exception:  # the server may be down, that is what the tests do to it
                time.sleep(0.1)

    def _read(self, answer) -> None:
        rest = b""
        for piece in answer.stream(decode_content=False):
            *lines, rest = (rest + piece).split(b"\n")
            now = time.monotonic()
            for line in filter(None, lines):
                change = json.loads(line)
                if "uid" in change["object"].get("metadata", {}):
                    self.seen.append((now, change["type"], change["object"]))
            if self._stopped:
                return
