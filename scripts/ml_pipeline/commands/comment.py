"""`ml-pipeline comment`."""

from pathlib import Path

from ml_pipeline.commands.command import Arguments, Command, Options


def add_arguments(arguments: Arguments) -> None:
    arguments.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="what review wrote; where it is not there, the comment says so",
    )
    arguments.add_argument(
        "--repository", required=True, metavar="OWNER/NAME", help="repository on GitHub"
    )
    arguments.add_argument(
        "--pull-request", required=True, type=int, metavar="NUMBER", help="its number"
    )
    arguments.add_argument(
        "--head",
        required=True,
        metavar="SHA",
        help="commit that was reviewed; any other gets no comment",
    )
    arguments.add_argument(
        "--run", default="", metavar="URL", help="where the log of the checks is"
    )


def run(options: Options) -> int:
    from ml_pipeline.operations.comment import comment

    return comment(
        options.file,
        repository=options.repository,
        pull_request=options.pull_request,
        head=options.head,
        run=options.run,
    )


COMMAND = Command(
    "comment",
    "post the comment that review wrote on its pull request",
    add_arguments,
    run,
    example="comment review.md --repository you/models --pull-request 7 --head $SHA",
    prints="where the comment is",
)
