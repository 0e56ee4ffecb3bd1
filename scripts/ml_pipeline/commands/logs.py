"""`ml-pipeline logs`."""

import sys

from ml_pipeline.commands import console
from ml_pipeline.commands.command import Arguments, Command, Options
from ml_pipeline.commands.options import cluster, cluster_of, count, env


def add_arguments(arguments: Arguments) -> None:
    arguments.add_argument(
        "name",
        metavar="NAME",
        help="an experiment, a run (experiment/id or id), a Job, a model or a service",
    )
    env(arguments)
    cluster(arguments)
    arguments.add_argument(
        "--try", dest="only", type=count, metavar="N", help="only the Nth try (default: all)"
    )
    arguments.add_argument("-f", "--follow", action="store_true", help="go on until it has ended")


def run(options: Options) -> int:
    from ml_pipeline.operations.logs import logs
    from ml_pipeline.rules.diagnosis.logs import LogQuery

    asked = LogQuery(options.name, options.only)
    reached = cluster_of(options)
    for text in logs(options.repo, asked, options.env, cluster=reached, follow=options.follow):
        # As it was printed: the log is somebody else's answer, not lines of ours.
        sys.stdout.write(text)
        sys.stdout.flush()
    return console.OK


COMMAND = Command(
    "logs",
    "print the log of an experiment, run, Job, model or service",
    add_arguments,
    run,
    example="logs -f digits-mlp",
    prints="what its pods have printed, all tries in turn; of an experiment, its newest run",
)
