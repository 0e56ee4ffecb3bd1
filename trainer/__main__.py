"""`python -m trainer prepare|train`: what the Job's container runs.

Exit codes: 0 done, 42 can never work (configuration, data, or a loss that is not finite), 143
stopped by SIGTERM, after a checkpoint where there was anything to save, or not let in by MLflow, 1
try again.
"""

import logging
import sys

from trainer import ending, stopping, tracking
from trainer.config import Config, ConfigError, DataError, DivergedError, LoginError, parse, rank

log = logging.getLogger("trainer")
NEVER, AGAIN = 42, 1


def main(arguments: list[str]) -> int:
    """Run one command and say in one line why it ended, if it did not end well."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S"
    )
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    stopping.listen()
    ending.note_peak(ending.termination_log())
    try:
        config = parse(arguments)
    except ConfigError as error:
        return _ended(NEVER, f"cannot work: {error}")
    try:
        return _run(config)
    except (ConfigError, DataError, DivergedError) as error:
        return _ended(NEVER, f"cannot work: {error}", config)
    except LoginError as error:
        # No failure of the run: the next pod has what the Secret says then.
        return _ended(stopping.TERMINATED, str(error), config)
    except ConnectionError as error:
        return _ended(AGAIN, str(error), config)
    except OSError as error:
        repair = "free space or correct the rights, the run goes on from its checkpoint"
        return _ended(AGAIN, f"{error}; {repair}", config)
    except Exception as error:
        log.exception("this is a bug, or a library's")
        return _ended(AGAIN, f"crashed: {type(error).__name__}: {error}", config)


def _run(config: Config) -> int:
    if config.command == "prepare":
        from trainer.prepare import prepare  # torch takes seconds to import, preparing does without

        return prepare(config)
    from trainer.train import train

    return train(config)


def _ended(code: int, reason: str, config: Config | None = None) -> int:
    """Leave the reason in the log, in the pod's status, and in MLflow where it answers."""
    # Of several processes one that has ended makes the launcher stop
    # the others; the reason is written first.
    stopping.save_first()
    line = ending.one_line(reason)
    log.error("%s", line)
    ending.leave_reason(ending.termination_log(), line)
    if config and rank() == 0 and code != stopping.TERMINATED:
        tracking.record_failure(config, line)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
