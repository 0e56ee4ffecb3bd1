"""The loop of everything that runs until it is told to stop: it ticks, and survives what passes."""

import logging
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

log = logging.getLogger("ml_pipeline.embedded")
TICK_SECONDS, STALLED_SECONDS, STOP_SECONDS = 0.1, 2.0, 30.0


def run_until_stopped(
    tick: Callable[[], None],
    passing: type[Exception] | tuple[type[Exception], ...],
    in_words: Callable[[Any], str],
) -> None:
    """Call `tick` again and again until SIGTERM.

    An error of a kind in `passing` is told with its repair, and the loop goes on.
    """
    # A handler that only sets this: no tick is cut off in the middle of what it writes.
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    while not stopped.is_set():
        try:
            tick()
        except passing as error:
            log.error("%s", in_words(error))
            time.sleep(STALLED_SECONDS)
        time.sleep(TICK_SECONDS)
