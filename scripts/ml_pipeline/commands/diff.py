"""`ml-pipeline diff`."""

from ml_pipeline.commands.command import Arguments, Command, Options
from ml_pipeline.commands.options import base, output


def add_arguments(arguments: Arguments) -> None:
    base(arguments)
    output(arguments, "markdown")


def run(options: Options) -> int:
    from ml_pipeline.operations.diff import diff

    return diff(options.repo, options.base, output=options.output)


COMMAND = Command(
    "diff",
    "show what merging the working tree would do",
    add_arguments,
    run,
    example="diff --base origin/main",
    prints="what trains, what serves, and every object that changes; exit code 1 where anything does",
)
