"""`ml-pipeline bootstrap`."""

from ml_pipeline.commands.command import Arguments, Command, Options
from ml_pipeline.commands.options import cluster, cluster_of, flux_env


def add_arguments(arguments: Arguments) -> None:
    flux_env(arguments)
    arguments.add_argument(
        "--apply", action="store_true", help="apply it, as an administrator of the cluster"
    )
    cluster(arguments)


def run(options: Options) -> int:
    from ml_pipeline.operations.bootstrap import bootstrap

    return bootstrap(options.repo, options.env, apply=options.apply, cluster=cluster_of(options))


COMMAND = Command(
    "bootstrap",
    "print, or apply, what a cluster needs to reconcile this repository",
    add_arguments,
    run,
    example="bootstrap --env staging --apply",
    prints="the objects, or what became of each",
)
