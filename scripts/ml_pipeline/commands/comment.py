"""`ml-pipeline comment`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ml_pipeline.commands import console
from ml_pipeline.commands.command import Arguments, Command, Options
from ml_pipeline.documents.faults import PipelineError

if TYPE_CHECKING:
    from ml_pipeline.adapters.github import GitHub


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
    from ml_pipeline.operations.comment import Reviewed, comment

    reviewed = Reviewed(options.pull_request, options.head, options.run)
    posted = comment(_github(options.repository), reviewed, options.file)
    what = f"pull request {options.pull_request}"
    if posted.outcome == "outdated":
        where = f"is at {posted.newest[:10]} by now" if posted.newest else "is closed"
        console.result(f"{what} {where}: no comment on {options.head[:10]}")
    else:
        console.result(f"{posted.outcome} the comment of {what}")
    return console.OK


def _github(repository: str) -> "GitHub":
    """The repository, with what GitHub Actions gives to a step.

    Raises:
        PipelineError: GITHUB_TOKEN is not set.
    """
    from ml_pipeline.adapters.github import GitHub

    token = os.environ.get("GITHUB_TOKEN")
    if not token:
        raise PipelineError(
            "GITHUB_TOKEN is not set; give the step a token that may write pull requests"
        )
    return GitHub(repository, token, os.environ.get("GITHUB_API_URL", "https://api.github.com"))


COMMAND = Command(
    "comment",
    "post the comment that review wrote on its pull request",
    add_arguments,
    run,
    example="comment review.md --repository you/models --pull-request 7 --head $SHA",
    prints="where the comment is",
)
