"""How a finished run or data is known again, and said: never by what
MLflow alone says, where others write too.

A record beside the checkpoints, which only Jobs mount, names the MLflow run and the SHA-256 of its
receipt. The last thing that a pod does is to repeat it in its termination message, by which the
receipt is taken.
"""

import hashlib
import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

from trainer import ending, tracking
from trainer.config import Config, rank
from trainer.store import replace

log = logging.getLogger("trainer")
SHORT = 10


@dataclass(frozen=True)
class Word:
    """What a pod says of what it has finished."""

    identity: str
    mlflow_run: str
    receipt_sha256: str


def keep(config: Config, run: str, receipt: bytes) -> None:
    """Record that a run is finished, once MLflow has its receipt: a kill before
    this leaves it to be finished once more."""
    word = Word(config.around.identity, run, hashlib.sha256(receipt).hexdigest())
    path = _record(config)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(path, json.dumps(asdict(word)).encode())


def known(config: Config) -> Word | None:
    """What this run or data has finished as, None where it has not,
    or MLflow no more has what it left there.

    Raises:
        ConnectionError: MLflow does not answer.
    """
    path, short = _record(config), config.around.identity[:SHORT]
    if not path.exists():
        _tell_of_others(config)
        return None
    word = Word(**json.loads(path.read_bytes()))
    receipt = tracking.receipt_of(config.around.tracking_uri, word.mlflow_run)
    if receipt is None or hashlib.sha256(receipt).hexdigest() != word.receipt_sha256:
        what = "has lost its receipt" if receipt is None else "has another receipt than it left"
        text = "%s was finished as MLflow run %s, and MLflow %s: it is finished once more"
        log.warning(text, short, word.mlflow_run, what)
        return None
    return word


def say(config: Config) -> None:
    """Mark the run in MLflow, for people, and repeat the record where the
    pod's status takes it from, last of all."""
    text = _record(config).read_text()
    tracking.settle(Word(**json.loads(text)).mlflow_run)
    ending.leave_word(ending.termination_log(), text)


def _tell_of_others(config: Config) -> None:
    if rank() > 0:  # it looks every two seconds
        return
    claimed = tracking.finished_run(config.around.identity)
    if claimed:
        text = (
            "MLflow run %s claims to have finished %s, and %s says nothing of it: "
            "it is not believed"
        )
        log.warning(text, claimed, config.around.identity[:SHORT], _record(config))


def _record(config: Config) -> Path:
    return Path(config.around.checkpoints, config.around.identity, "finished.json")
