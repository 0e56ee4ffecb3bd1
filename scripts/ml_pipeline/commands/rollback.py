"""`ml-pipeline rollback`."""

from ml_pipeline.commands.command import Arguments, Command, Options
from ml_pipeline.commands.options import env, remote


def add_arguments(arguments: Arguments) -> None:
    arguments.add_argument("model", metavar="MODEL", help="model whose promotion is taken back")
    env(arguments)
    arguments.add_argument(
        "--dry-run", action="store_true", help="only print what it would bring back"
    )
    remote(arguments)


def run(options: Options) -> int:
    from ml_pipeline.operations.rollback import rollback

    return rollback(
        options.repo,
        options.model,
        environment=options.env,
        remote=options.remote,
        dry_run=options.dry_run,
    )


COMMAND = Command(
    "rollback",
    "bring back the promotion before the newest one",
    add_arguments,
    run,
    example="rollback digits",
    prints="what was reverted, and the commit that does it",
)
