"""`ml-pipeline schemas`."""

from ml_pipeline.commands.command import Arguments, Command, Options


def add_arguments(arguments: Arguments) -> None:
    arguments.add_argument(
        "--check", action="store_true", help="only say what differs; exit 1 if anything does"
    )


def run(options: Options) -> int:
    from ml_pipeline.operations.schemas import schemas

    return schemas(options.repo, check=options.check)


COMMAND = Command(
    "schemas",
    "write the JSON Schemas that editors use, and docs/reference.md",
    add_arguments,
    run,
    example="schemas --check",
    prints="the files that it writes; exit code 1 where --check finds any",
)
