"""`ml-pipeline runs`."""

import argparse
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from ml_pipeline.commands import console
from ml_pipeline.commands.command import Arguments, Command, Options
from ml_pipeline.commands.options import count, output, sort

if TYPE_CHECKING:
    from ml_pipeline.rules.identity.runs import RunRecord

_MOST_METRICS = 3  # columns for which a terminal has room


def add_arguments(arguments: Arguments) -> None:
    sort(arguments, "age")
    for name, text in (
        ("--experiment", "only of experiments with such a name, such as 'sweep-*'"),
        ("--model", "only of such a model"),
        ("--owner", "only of experiments of such an owner"),
    ):
        arguments.add_argument(name, default="*", metavar="PATTERN", help=text)
    arguments.add_argument(
        "--outcome", default="*", choices=("succeeded", "failed", "pending"), help="only those"
    )
    arguments.add_argument(
        "--since",
        type=_seconds,
        default=math.inf,
        metavar="TIME",
        help="only what ended in this time, such as 12h or 7d, and what has not ended",
    )
    arguments.add_argument("--limit", type=count, metavar="N", help="the first N only")
    output(arguments)


def _seconds(text: str) -> float:
    from ml_pipeline.documents.fields import seconds

    try:
        return seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} {error}") from error


def run(options: Options) -> int:
    from ml_pipeline.operations.runs import runs
    from ml_pipeline.rules.identity.runs import Wanted

    wanted = Wanted(
        experiment=options.experiment,
        model=options.model,
        owner=options.owner,
        outcome=options.outcome,
        since_s=options.since,
        sort=options.sort,
        reverse=options.reverse,
        limit=options.limit,
    )
    found = runs(options.repo, wanted)
    data = [asdict(record) for record in found.shown]
    console.answer(data, _table(found.shown, wanted.sort), options.output)
    if len(found.shown) < found.total:
        console.talk(f"{len(found.shown)} of {found.total} runs are shown")
    for problem in found.problems:
        console.problem(problem)
    return console.FINDINGS if found.problems else console.OK


def _table(records: "Sequence[RunRecord]", sort: str) -> str:
    if not records:
        return "no runs; `ml-pipeline submit` asks for one"
    metrics = _metrics(records, sort)
    head = ("RUN", "OUTCOME", *metrics, "GATES", "COST", "DURATION", "AGE", "OWNER", "NOTE")
    return console.table([head, *(_row(record, metrics) for record in records)])


def _metrics(records: "Sequence[RunRecord]", sort: str) -> list[str]:
    """The metrics that there is room for: the one asked for, then what the gates look at."""
    from ml_pipeline.rules.rollout.gates import LATENCY, QUALITY

    there: dict[str, None] = {}
    for record in records:
        there |= dict.fromkeys(record.metrics)
    first = [name for name in (sort, QUALITY, LATENCY) if name in there]
    room = max(_MOST_METRICS - 1, len(set(first)))
    return list(dict.fromkeys([*first, *there]))[:room]


def _row(record: "RunRecord", metrics: Sequence[str]) -> tuple[str, ...]:
    from ml_pipeline.rules.money.prices import duration, money

    reason = (record.reason or "").splitlines()
    return (
        record.run,
        record.outcome,
        *(_number(record.metrics.get(name)) for name in metrics),
        _gates(record),
        "-" if record.cost is None else f"{money(record.cost)} {record.currency}",
        "-" if record.duration_s is None else duration(record.duration_s),
        "-" if record.age_s is None else duration(record.age_s),
        record.owner or "-",
        reason[0] if reason else "",
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.5g}"


def _gates(record: "RunRecord") -> str:
    failed = [name for name, passed in record.gates.items() if not passed]
    if failed:
        return f"failed: {', '.join(failed)}"
    return "passed" if record.gates else "-"


COMMAND = Command(
    "runs",
    "list runs with outcome, metrics, gates, cost and age",
    add_arguments,
    run,
    example="runs --experiment 'digits-*' --sort gate_accuracy --limit 10",
    prints="a line for each run; exit code 1 where a document cannot be read and is left out",
)
