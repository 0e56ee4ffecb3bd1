"""Every run with its outcome, metrics, gates, cost and age; what is still awaited among them."""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ml_pipeline.operations.workspace import open_branch
from ml_pipeline.rules.identity.runs import RunRecord, Wanted, list_runs


@dataclass(frozen=True)
class Runs:
    """The runs to show, in their order."""

    shown: tuple[RunRecord, ...]
    total: int
    """How many there are without the limit."""
    problems: tuple[str, ...]
    """Documents that could not be read, so that runs may be missing; one line each."""


def runs(repo: Path, wanted: Wanted) -> Runs:
    """The runs that are wanted, by the newest revision of the branch."""
    snapshot = open_branch(repo).snapshot
    with _no_collection():
        listed = list_runs(snapshot, wanted, time.time())
    return Runs(listed.records[: wanted.limit], len(listed.records), listed.problems)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without garbage collection: it takes a quarter of the time of thousands of documents."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
