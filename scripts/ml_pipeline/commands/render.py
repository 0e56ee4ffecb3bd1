"""`ml-pipeline render`."""

from ml_pipeline.commands.command import Arguments, Command, Options
from ml_pipeline.commands.options import output


def add_arguments(arguments: Arguments) -> None:
    _check(arguments)
    arguments.add_argument("--dry-run", action="store_true", help="only print the plan")
    output(arguments)


def _check(arguments: Arguments) -> None:
    arguments.add_argument(
        "--check", action="store_true", help="only say what differs; exit 1 if anything does"
    )


def run(options: Options) -> int:
    from ml_pipeline.operations.render import render

    return render(options.repo, check=options.check, dry_run=options.dry_run, output=options.output)


COMMAND = Command(
    "render",
    "write the overlays that follow from the documents",
    add_arguments,
    run,
    example="render --check",
    prints="the files that it writes and deletes; exit code 1 where --check finds any",
)
