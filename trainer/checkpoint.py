"""Checkpoints that are whole or not there: written beside and
renamed, with their digest, the one before kept."""

import fcntl
import hashlib
import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from trainer.store import replace

log = logging.getLogger("trainer")
_DIGEST = 64


class Checkpoints:
    """The newest two checkpoints of one run, in a folder named by its identity."""

    def __init__(self, root: str, identity: str) -> None:
        self.folder = Path(root, identity)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.newest, self.previous = self.folder / "newest.pt", self.folder / "previous.pt"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run: a second process for it waits here until the first is gone."""
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                log.info("waiting for another process of this run to end")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def save(self, state: dict[str, Any]) -> None:
        """Write a checkpoint; a kill at any moment leaves a whole one behind."""
        buffer = io.BytesIO()
        torch.save(state, buffer)
        content = buffer.getvalue()
        if self.newest.exists():
            self.newest.replace(self.previous)
        replace(self.newest, hashlib.sha256(content).hexdigest().encode() + content)

    def load(self) -> dict[str, Any] | None:
        """The newest whole checkpoint, None where there is none."""
        for path in (self.newest, self.previous):
            if not path.exists():
                continue
            raw = path.read_bytes()
            if hashlib.sha256(raw[_DIGEST:]).hexdigest().encode() == raw[:_DIGEST]:
                state: dict[str, Any] = torch.load(io.BytesIO(raw[_DIGEST:]), weights_only=True)
                return state
            log.warning(
                "checkpoint %s is damaged (its sha256 differs); going back to the one before", path
            )
        return None
