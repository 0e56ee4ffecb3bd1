"""`ml-pipeline init`."""

from ml_pipeline.commands.command import Arguments, Command, Options


def add_arguments(arguments: Arguments) -> None:
    arguments.add_argument(
        "--url", help="address of this repository, as Flux fetches it (default: asked)"
    )
    arguments.add_argument("--registry", help="registry and folder of the images (default: asked)")
    arguments.add_argument(
        "--environments", metavar="NAME,NAME", help="environments on Kubernetes (default: asked)"
    )
    arguments.add_argument("--dry-run", action="store_true", help="only print the plan")


def run(options: Options) -> int:
    from ml_pipeline.operations.init import init

    return init(
        options.repo,
        url=options.url,
        registry=options.registry,
        environments=options.environments,
        dry_run=options.dry_run,
    )


COMMAND = Command(
    "init",
    "write the facts that make the template your own",
    add_arguments,
    run,
    example="init --url https://github.com/you/models --registry ghcr.io/you --environments staging,production",
    prints="the files that it writes and deletes",
)
