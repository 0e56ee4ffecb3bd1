"""`python -m trainer prepare|train`: what the Job's container runs.

Exit codes: 0 done, 42 can never work (configuration or data), 143 stopped by SIGTERM after a checkpoint, 1 try again.
"""

import logging
import sys

from trainer.config import ConfigError, DataError, parse
from trainer.memory import note_peak

log = logging.getLogger("trainer")


def main(arguments: list[str]) -> int:
    """Run one command and say in one line why it ended, if it did not end well."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S"
    )
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    try:
        config = parse(arguments)
        note_peak()
        if config.command == "prepare":
            from trainer.prepare import (
                prepare,
            )  # torch takes seconds to import and preparing does without

            return prepare(config)
        from trainer.train import train

        return train(config)
    except (ConfigError, DataError) as error:
        log.error("cannot work: %s", error)
        return 42
    except ConnectionError as error:
        log.error("%s", error)
        return 1
    except OSError as error:
        log.error(
            "%s; free space or correct the rights, the run goes on from its checkpoint", error
        )
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
