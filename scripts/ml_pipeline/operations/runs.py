"""`ml-pipeline runs`: every run with its outcome, metrics, gates, cost and age; what is still awaited among them."""

import gc
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from ml_pipeline.commands import console
from ml_pipeline.operations.workspace import open_branch
from ml_pipeline.rules.identity.runs import RunRecord, Wanted, list_runs
from ml_pipeline.rules.money.prices import duration, money
from ml_pipeline.rules.rollout.gates import LATENCY, QUALITY

_MOST_METRICS = 3


def runs(repo: Path, wanted: Wanted, *, output: str = "text") -> int:
    """Print runs as a table, or whole as JSON; 1 where a document could not be read and is missing for it."""
    snapshot = open_branch(repo).snapshot
    with _no_collection():
        found = list_runs(snapshot, wanted, time.time())
    shown = found.records[: wanted.limit]
    console.answer([asdict(record) for record in shown], _table(shown, wanted.sort), output)
    if len(shown) < len(found.records):
        console.talk(f"{len(shown)} of {len(found.records)} runs are shown")
    for problem in found.problems:
        console.problem(problem)
    return console.FINDINGS if found.problems else console.OK


@contextmanager
def _no_collection() -> Iterator[None]:
    """Thousands of documents are read and all of them stay: to search them for garbage takes a quarter of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _table(records: Sequence[RunRecord], sort: str) -> str:
    if not records:
        return "no runs; `ml-pipeline submit` asks for one"
    metrics = _metrics(records, sort)
    head = ("RUN", "OUTCOME", *metrics, "GATES", "COST", "DURATION", "AGE", "OWNER", "NOTE")
    return console.table([head, *(_row(record, metrics) for record in records)])


def _metrics(records: Sequence[RunRecord], sort: str) -> list[str]:
    """The metrics that there is room for: the one asked for, then what the gates look at."""
    there = dict.fromkeys(name for record in records for name in record.metrics)
    first = [name for name in (sort, QUALITY, LATENCY) if name in there]
    return list(dict.fromkeys([*first, *there]))[: max(_MOST_METRICS - 1, len(set(first)))]


def _row(record: RunRecord, metrics: Sequence[str]) -> tuple[str, ...]:
    values = (record.metrics.get(name) for name in metrics)
    reason = (record.reason or "").splitlines()
    return (
        record.run,
        record.outcome,
        *("-" if value is None else f"{value:.5g}" for value in values),
        _gates(record),
        "-" if record.cost is None else f"{money(record.cost)} {record.currency}",
        "-" if record.duration_s is None else duration(record.duration_s),
        "-" if record.age_s is None else duration(record.age_s),
        record.owner or "-",
        reason[0] if reason else "",
    )


def _gates(record: RunRecord) -> str:
    failed = [name for name, passed in record.gates.items() if not passed]
    if failed:
        return f"failed: {', '.join(failed)}"
    return "passed" if record.gates else "-"
