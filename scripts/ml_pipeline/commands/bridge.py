"""`ml-pipeline bridge`."""

from pathlib import Path

from ml_pipeline.commands import console
from ml_pipeline.commands.command import Arguments, Command, Options
from ml_pipeline.commands.options import cluster, cluster_of, flux_env


def add_arguments(arguments: Arguments) -> None:
    flux_env(arguments)
    arguments.add_argument(
        "--state",
        type=Path,
        metavar="DIR",
        help="folder for models and measurements (default: .ml-pipeline/bridge-ENV)",
    )
    cluster(arguments)


def run(options: Options) -> int:
    import logging
    import sys

    from ml_pipeline.operations.bridge import bridge

    # Here, and not in the operation: who calls that from Python has a log of their own.
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s")
    bridge(options.repo, options.env, state=options.state, cluster=cluster_of(options))
    return console.OK


COMMAND = Command(
    "bridge",
    "serve the models of a cluster without the Seldon operator on this machine",
    add_arguments,
    run,
    example="bridge --env staging",
    prints="nothing; it runs until it is stopped",
)
