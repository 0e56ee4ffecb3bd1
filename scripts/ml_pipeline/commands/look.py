"""Commands that show what happens and what came of it; they change nothing."""

import argparse
import math

from ml_pipeline.commands.command import (
    Arguments,
    Command,
    Group,
    Options,
    cluster,
    cluster_of,
    env,
    output,
)

# ---- status


def _status_arguments(arguments: Arguments) -> None:
    env(arguments)
    cluster(arguments)
    arguments.add_argument(
        "-l",
        "--selector",
        default="",
        metavar="LABELS",
        help="only what has these labels, such as pipeline=ml-training",
    )
    arguments.add_argument(
        "-w", "--watch", action="store_true", help="show it again whenever it changes, until Ctrl-C"
    )
    output(arguments)


def _status(options: Options) -> int:
    from ml_pipeline.operations.status import status
    from ml_pipeline.operations.watch import watch

    reached = cluster_of(options)  # once: a watch asks the same API server again and again

    def look(output: str) -> int:
        return status(
            options.repo,
            options.env,
            cluster=reached,
            selector=options.selector,
            output=output,
        )

    return watch(look, output=options.output) if options.watch else look(options.output)


# ---- runs


def _runs_arguments(arguments: Arguments) -> None:
    _sort(arguments, "age")
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
    arguments.add_argument("--limit", type=_count, metavar="N", help="the first N only")
    output(arguments)


def _sort(arguments: Arguments, default: str) -> None:
    shown = f" (default: {default})" if default else ""
    arguments.add_argument(
        "--sort",
        default=default,
        metavar="WHAT",
        help=f"a metric, cost or duration, the most first, or age, the newest first{shown}",
    )
    arguments.add_argument("--reverse", action="store_true", help="the other way round")


def _seconds(text: str) -> float:
    from ml_pipeline.documents.fields import seconds

    try:
        return seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} {error}") from error


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number above 0")
    return int(text)


def _runs(options: Options) -> int:
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


# ---- compare


def _compare_arguments(arguments: Arguments) -> None:
    arguments.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help="experiment/id, an experiment for its newest run, or a pattern such as 'sweep-*' or 'sweep-*/*'",
    )
    _sort(arguments, "")
    output(arguments)


def _compare(options: Options) -> int:
    from ml_pipeline.operations.provenance import compare

    return compare(
        options.repo,
        tuple(options.runs),
        sort=options.sort,
        reverse=options.reverse,
        output=options.output,
    )


# ---- logs


def _logs_arguments(arguments: Arguments) -> None:
    arguments.add_argument(
        "name",
        metavar="NAME",
        help="an experiment, a run (experiment/id or id), a Job, a model or a service",
    )
    env(arguments)
    cluster(arguments)
    arguments.add_argument(
        "--try", dest="only", type=_count, metavar="N", help="only the Nth try (default: all)"
    )
    arguments.add_argument("-f", "--follow", action="store_true", help="go on until it has ended")


def _logs(options: Options) -> int:
    from ml_pipeline.operations.logs import logs
    from ml_pipeline.rules.diagnosis.logs import Asked

    return logs(
        options.repo,
        Asked(options.name, options.only),
        options.env,
        cluster=cluster_of(options),
        follow=options.follow,
    )


GROUP = Group(
    "see what happens",
    (
        Command(
            "status",
            "show what runs, waits and serves",
            _status_arguments,
            _status,
            example="status --env staging --watch",
            prints="Jobs and models, one line each; exit code 1 where something keeps it from going on",
        ),
        Command(
            "runs",
            "list runs with outcome, metrics, gates, cost and age",
            _runs_arguments,
            _runs,
            example="runs --experiment 'digits-*' --sort gate_accuracy --limit 10",
            prints="a line for each run; exit code 1 where a document cannot be read and is left out",
        ),
        Command(
            "compare",
            "show runs side by side",
            _compare_arguments,
            _compare,
            example="compare 'digits-*' --sort holdout_accuracy",
            prints="what differs in what decided the runs, and what came of them",
        ),
        Command(
            "logs",
            "print the log of an experiment, run, Job, model or service",
            _logs_arguments,
            _logs,
            example="logs -f digits-mlp",
            prints="what its pods have printed, all tries in turn; of an experiment, its newest run",
        ),
    ),
)
