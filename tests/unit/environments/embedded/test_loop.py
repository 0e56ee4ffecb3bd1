import errno
import os
import signal

import pytest
from ml_pipeline.adapters.trouble import in_words
from ml_pipeline.environments.embedded.loop import run_until_stopped


class Pods:
    stopped = False

    def stop_all(self, seconds: float) -> None:
        self.stopped = True


@pytest.fixture(autouse=True)
def _quick(quick_loop):
    return


def ticks(*answers):
    """A tick that does each of these in turn, then asks this process to stop."""
    left = list(answers)

    def tick():
        if not left:
            os.kill(os.getpid(), signal.SIGTERM)
            return
        error = left.pop(0)
        if error:
            raise error

    return tick


def test_loop_ends_with_sigterm_and_stops_the_pods():
    pods = Pods()
    run_until_stopped(ticks(None, None), pods, OSError, in_words)
    assert pods.stopped


def test_error_that_passes_is_told_with_its_repair(caplog):
    full = OSError(errno.ENOSPC, "No space left on device", "/x")
    run_until_stopped(ticks(full, None), Pods(), OSError, in_words)
    assert "/x: No space left on device; free space there" in caplog.text


def test_other_errors_end_the_loop():
    with pytest.raises(ValueError, match="a bug"):
        run_until_stopped(ticks(ValueError("a bug")), Pods(), OSError, in_words)
