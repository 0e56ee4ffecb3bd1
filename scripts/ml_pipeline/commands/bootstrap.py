"""`ml-pipeline bootstrap`."""

from ml_pipeline.commands import console
from ml_pipeline.commands.command import Arguments, Command, Options
from ml_pipeline.commands.options import cluster, cluster_of, flux_env


def add_arguments(arguments: Arguments) -> None:
    flux_env(arguments)
    arguments.add_argument(
        "--apply", action="store_true", help="apply it, as an administrator of the cluster"
    )
    cluster(arguments)


def run(options: Options) -> int:
    from ml_pipeline.operations.bootstrap import bootstrap, bootstrap_objects

    if not options.apply:
        console.result(bootstrap_objects(options.repo, options.env).decode().rstrip())
        return console.OK
    cluster = cluster_of(options)
    answer = bootstrap(
        options.repo, options.env, cluster=cluster, done=console.result, talk=console.talk
    )
    # On stderr: what was done can be kept in a file, and what is left to do is still seen.
    for line in answer.left:
        console.talk(line)
    return console.OK


COMMAND = Command(
    "bootstrap",
    "print, or apply, what a cluster needs to reconcile this repository",
    add_arguments,
    run,
    example="bootstrap --env staging --apply",
    prints="the objects, or what became of each",
)
