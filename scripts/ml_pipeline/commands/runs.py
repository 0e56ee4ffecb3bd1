"""`ml-pipeline runs`."""

import argparse
import math

from ml_pipeline.commands.command import Arguments, Command, Options
from ml_pipeline.commands.options import count, output, sort


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
    return runs(options.repo, wanted, output=options.output)


COMMAND = Command(
    "runs",
    "list runs with outcome, metrics, gates, cost and age",
    add_arguments,
    run,
    example="runs --experiment 'digits-*' --sort gate_accuracy --limit 10",
    prints="a line for each run; exit code 1 where a document cannot be read and is left out",
)
