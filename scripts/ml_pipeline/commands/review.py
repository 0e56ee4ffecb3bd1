"""`ml-pipeline review`."""

from pathlib import Path

from ml_pipeline.commands import console
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
    from ml_pipeline.adapters.files import refuse_no_file, write_answer
    from ml_pipeline.commands import pull_request
    from ml_pipeline.operations.review import Merge, review

    if options.comment:
        # What takes minutes to find out should not be lost at the end.
        refuse_no_file(options.comment)
    answer = review(options.repo, Merge(options.base, options.head), talk=console.talk)
    markdown = pull_request.markdown(answer)
    if options.comment:
        write_answer(options.comment, markdown.encode())
    if options.annotations:
        pull_request.annotate(answer)
    text = markdown if options.output == "markdown" else pull_request.text(answer)
    console.answer(pull_request.as_data(answer), text, options.output)
    if answer.crashed:
        return console.BUG
    return console.OK if answer.holds else console.FINDINGS


COMMAND = Command(
    "review",
    "check everything that a merge would change, for one comment",
    add_arguments,
    run,
    example="review --output markdown",
    prints="the comment of a pull request; exit code 1 with findings, 3 where a check crashed",
)
