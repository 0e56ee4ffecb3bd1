"""`ml-pipeline status`."""

from ml_pipeline.commands.command import Arguments, Command, Options
from ml_pipeline.commands.options import cluster, cluster_of, env, output


def add_arguments(arguments: Arguments) -> None:
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


def run(options: Options) -> int:
    from ml_pipeline.commands.watch import watch
    from ml_pipeline.operations.status import status

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


COMMAND = Command(
    "status",
    "show what runs, waits and serves",
    add_arguments,
    run,
    example="status --env staging --watch",
    prints="Jobs and models, one line each; exit code 1 where something keeps it from going on",
)
