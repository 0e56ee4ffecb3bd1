"""`python -m trainer.launch`: torch.distributed.run, with the exit codes that a Job knows.

The launcher ends with 1 whatever its processes ended with, so data that can never work would be
tried again, and a stop after a checkpoint would count as a failure.
https://docs.pytorch.org/docs/stable/elastic/run.html
"""

import signal
import sys
from types import FrameType

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import main

NEVER, STOPPED, AGAIN = 42, 143, 1
_ENDS = {NEVER: NEVER, STOPPED: STOPPED, -signal.SIGTERM: STOPPED}


def launch(arguments: list[str]) -> int:
    """Start the processes of this pod and stay until the last has ended."""
    # torch listens only once its processes run; before that it waits for
    # the other pods, as process number 1 deaf.
    signal.signal(signal.SIGTERM, _stop)
    try:
        main(arguments)
    except ChildFailedError as error:
        return exit_code([failure.exitcode for failure in error.failures.values()])
    except SignalException:
        return STOPPED
    return 0


def exit_code(codes: list[int]) -> int:
    """One code for several processes that failed: 42 if any can
    never work, 143 if all were stopped, else 1."""
    ends = {_ENDS.get(code, AGAIN) for code in codes}
    if NEVER in ends:
        return NEVER
    return STOPPED if ends == {STOPPED} else AGAIN


def _stop(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(launch(sys.argv[1:]))
