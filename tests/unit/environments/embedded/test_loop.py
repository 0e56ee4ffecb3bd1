import errno
import os
import signal

import pytest
from ml_pipeline.adapters.trouble import in_words
from ml_pipeline.environments.embedded.loop import run_until_stopped


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


def test_loop_ends_with_sigterm():
    run_until_stopped(ticks(None, None), OSError, in_words)


def test_error_that_passes_is_told_with_its_repair(caplog):
    full = OSError(errno.ENOSPC, "No space left on device", "/x")
    run_until_stopped(ticks(full, None), OSError, in_words)
    assert "/x: No space left on device; free space there" in caplog.text


def test_other_errors_end_the_loop():
    with pytest.raises(ValueError, match="a bug"):
        run_until_stopped(ticks(ValueError("a bug")), OSError, in_words)
