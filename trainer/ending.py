"""What a container leaves where Kubernetes keeps it: the most memory it has held, and in one
line why it ended, or what it has finished.

Kubernetes takes this file into the pod's status when the container ends, however it ends; so does
the embedded environment.
https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/
"""

import fcntl
import os
import threading
import time
from pathlib import Path

from trainer.memory import peak_of_run

TERMINATION_LOG = "/dev/termination-log"
INTERVAL_SECONDS = 0.25
REASON_CHARACTERS = 300


def termination_log() -> Path | None:
    """The file, None where nobody reads one."""
    path = os.environ.get("TERMINATION_LOG", TERMINATION_LOG)
    return Path(path) if os.access(path, os.W_OK) else None


def note_peak(path: Path | None) -> None:
    """Write `peak N MiB after T s` now and every quarter of a second."""
    if path:
        threading.Thread(target=_note, args=(path, time.monotonic()), daemon=True).start()


def leave_reason(path: Path | None, reason: str) -> None:
    """Write why this container ends, below the peak."""
    if path:
        _replace(path, 1, reason)


def leave_word(path: Path | None, word: str) -> None:
    """Write what this container has finished, below the peak."""
    if path:
        _replace(path, 1, word)


def one_line(text: str) -> str:
    """A reason as it goes into logs, receipts and MLflow: one line of at most 300 characters."""
    line = " ".join(text.split())
    return line if len(line) <= REASON_CHARACTERS else f"{line[: REASON_CHARACTERS - 3]}..."


def _note(path: Path, start: float) -> None:
    while True:
        _replace(path, 0, f"peak {peak_of_run()} MiB after {time.monotonic() - start:.1f} s")
        time.sleep(INTERVAL_SECONDS)


def _replace(path: Path, number: int, line: str) -> None:
    """Replace one of the two lines. Several processes of a pod write the
    same file, which cannot be renamed over."""
    with path.open("r+") as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        lines = [*log.read().splitlines(), "", ""][:2]
        lines[number] = line
        log.seek(0)
        log.write("\n".join(lines).rstrip("\n"))
        log.truncate()
