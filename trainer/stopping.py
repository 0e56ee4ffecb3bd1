"""SIGTERM, obeyed everywhere: at the next checkpoint while
training, at once while there is nothing to save.

Python runs a signal's handler between two of its own instructions, so a process that waits inside
C++, for a rendezvous or in a collective, never comes to it. What C does at once is write the
signal's number into a pipe; a thread reads it.
"""

import logging
import os
import signal
import threading

log = logging.getLogger("trainer")
TERMINATED = 143
# A batch, or the end of a run, gets this long; less than the pod's grace period of 60 s.
PATIENCE_SECONDS = 45.0

_told = threading.Event()
_saves_first = threading.Event()


def listen() -> None:
    """Obey SIGTERM from now on. To be called once, by the main thread."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    # A handler has to be there: without one the process with number
    # 1, as in a pod, never gets the signal.
    signal.signal(signal.SIGTERM, lambda *_: _told.set())
    threading.Thread(target=_obey, args=(reader,), daemon=True).start()


def stopped() -> bool:
    """Whether SIGTERM has come."""
    return _told.is_set()


def save_first() -> None:
    """From now on a stop waits until the process ends by itself, for PATIENCE_SECONDS at most."""
    _saves_first.set()


def _obey(reader: int) -> None:
    while signal.SIGTERM not in os.read(reader, 64):
        continue
    _told.set()
    if _saves_first.is_set():
        threading.Event().wait(PATIENCE_SECONDS)
        log.error("stopped by SIGTERM without a new checkpoint: what it does takes too long")
    else:
        log.info("stopped by SIGTERM before there was anything to save")
    os._exit(TERMINATED)
