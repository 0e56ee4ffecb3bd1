"""`ml-pipeline validate`."""

from dataclasses import asdict
from pathlib import Path

from ml_pipeline.commands import console
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
    from ml_pipeline.operations.validate import validate, validate_files

    if options.files:
        paths = validate_files(options.repo, options.files)
        console.answer({"files": paths}, f"valid: {', '.join(paths)}", options.output)
        return console.OK
    counts = asdict(validate(options.repo))
    kinds = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    console.answer(counts, f"valid: {kinds}", options.output)
    return console.OK


COMMAND = Command(
    "validate",
    "check every document",
    add_arguments,
    run,
    example="validate experiments/digits-mlp/experiment.yaml",
    prints="every fault with its file, line and repair; exit code 2 with any",
)
