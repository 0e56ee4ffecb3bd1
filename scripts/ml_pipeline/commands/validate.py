"""`ml-pipeline validate`."""

from pathlib import Path

from ml_pipeline.commands.command import Arguments, Command, Options
from ml_pipeline.commands.options import output


def add_arguments(arguments: Arguments) -> None:
    arguments.add_argument(
        "files",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="only these, and what they refer to (default: all)",
    )
    output(arguments)


def run(options: Options) -> int:
    from ml_pipeline.operations.validate import validate

    return validate(options.repo, options.files, output=options.output)


COMMAND = Command(
    "validate",
    "check every document",
    add_arguments,
    run,
    example="validate experiments/digits-mlp/experiment.yaml",
    prints="every fault with its file, line and repair; exit code 2 with any",
)
