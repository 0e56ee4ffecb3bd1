"""`ml-pipeline retrain`."""

import argparse
from typing import TYPE_CHECKING

from ml_pipeline.commands import console
from ml_pipeline.commands.command import Arguments, Command, Options
from ml_pipeline.commands.options import remote

if TYPE_CHECKING:
    from datetime import datetime


def add_arguments(arguments: Arguments) -> None:
    arguments.add_argument("experiment", metavar="EXPERIMENT", help="one with a schedule")
    arguments.add_argument(
        "--interval",
        type=_moment,
        metavar="WHEN",
        help="when it was due, such as 20260131T1200Z (default: the last time it was)",
    )
    arguments.add_argument(
        "--wait", action="store_true", help="follow the run to its end, then promote it"
    )
    arguments.add_argument(
        "--timeout",
        type=float,
        default=3600.0,
        metavar="SECONDS",
        help="the longest that --wait takes (default: 3600)",
    )
    remote(arguments)


def run(options: Options) -> int:
    from ml_pipeline.operations.retrain import due_interval, open_experiment, promote, propose, wait
    from ml_pipeline.rules.automation.retraining import State

    workspace = open_experiment(options.repo, options.experiment, options.remote)
    repository = workspace.repository
    interval = due_interval(workspace.snapshot, options.experiment, options.interval)
    standing = propose(repository, interval, console.talk)
    if options.wait:
        wait(repository, interval, options.timeout)
        standing = promote(repository, interval, console.talk)
    named = f"{interval.experiment} {interval.name}"
    console.result(f"{named}: {standing.state}; {standing.reason}")
    return console.FINDINGS if standing.state in (State.FAILED, State.GONE) else console.OK


def _moment(text: str) -> "datetime":
    from ml_pipeline.documents.recurrence import moment_of

    try:
        return moment_of(text)
    except ValueError as error:
        rule = f"{text!r} must be a minute in UTC such as 20260131T1200Z"
        raise argparse.ArgumentTypeError(rule) from error


COMMAND = Command(
    "retrain",
    "train an experiment on the newest state of its source",
    add_arguments,
    run,
    example="retrain sales-forecast --wait",
    prints="how the interval stands: waiting, succeeded, promoted, or why it is over",
)
