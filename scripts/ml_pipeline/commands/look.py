"""Commands that show what happens and what came of it; they change nothing."""

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
    output(arguments)


def _status(options: Options) -> int:
    from ml_pipeline.verbs.status import status

    return status(
        options.repo,
        options.env,
        cluster=cluster_of(options),
        selector=options.selector,
        output=options.output,
    )


# ---- compare


def _compare_arguments(arguments: Arguments) -> None:
    arguments.add_argument(
        "runs", nargs="+", metavar="RUN", help="experiment/id, or an experiment for its newest run"
    )
    output(arguments)


def _compare(options: Options) -> int:
    from ml_pipeline.verbs.provenance import compare

    return compare(options.repo, tuple(options.runs), output=options.output)


# ---- logs


def _logs_arguments(arguments: Arguments) -> None:
    arguments.add_argument("name", metavar="NAME", help="a Job, run, predictor or service")
    env(arguments)
    cluster(arguments)
    arguments.add_argument("-f", "--follow", action="store_true", help="go on until it has ended")


def _logs(options: Options) -> int:
    from ml_pipeline.verbs.logs import logs

    return logs(
        options.repo,
        options.name,
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
            example="status --env staging",
            prints="Jobs and models, one line each; exit code 1 where something keeps it from going on",
        ),
        Command(
            "compare",
            "show runs side by side",
            _compare_arguments,
            _compare,
            example="compare digits-mlp digits-cnn",
            prints="what differs in what decided the runs, and what came of them",
        ),
        Command(
            "logs",
            "print the log of a Job, run, predictor or service",
            _logs_arguments,
            _logs,
            example="logs -f digits-mlp",
            prints="what its pods have printed, all tries in turn",
        ),
    ),
)
