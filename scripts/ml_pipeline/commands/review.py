"""`ml-pipeline review`."""

from pathlib import Path

from ml_pipeline.commands.command import Arguments, Command, Options
from ml_pipeline.commands.options import base, output


def add_arguments(arguments: Arguments) -> None:
    base(arguments)
    arguments.add_argument(
        "--head",
        metavar="REV",
        help="review this revision by git's objects alone (default: the working tree)",
    )
    arguments.add_argument(
        "--comment", type=Path, metavar="FILE", help="write the comment there too"
    )
    arguments.add_argument(
        "--annotations",
        action="store_true",
        help="print findings as annotations of GitHub Actions, to stderr",
    )
    output(arguments, "markdown")


def run(options: Options) -> int:
    from ml_pipeline.operations.review import Merge, review

    return review(
        options.repo,
        Merge(options.base, options.head),
        comment_file=options.comment,
        annotations=options.annotations,
        output=options.output,
    )


COMMAND = Command(
    "review",
    "check everything that a merge would change, for one comment",
    add_arguments,
    run,
    example="review --output markdown",
    prints="the comment of a pull request; exit code 1 with findings, 3 where a check crashed",
)
