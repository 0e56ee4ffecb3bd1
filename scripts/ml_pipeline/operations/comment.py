"""`ml-pipeline comment`: post what `review --head` wrote on its pull request, or that it wrote nothing."""

import os
from pathlib import Path

from ml_pipeline.adapters.github import GitHub
from ml_pipeline.commands import console
from ml_pipeline.documents.escape import say
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.rules.review.comment import LIMIT, MARKER, ROOM

_NOTHING = "## No answer\n\nThe review of this commit ended without one."


def comment(file: Path, *, repository: str, pull_request: int, head: str, run: str = "") -> int:
    """Put the comment of a commit in place, where that is still the newest of an open pull request.

    The file is what this code has written in the same job: nobody else's is ever given.

    Raises:
        PipelineError: GITHUB_TOKEN is not set, or does not suffice.
    """
    token = os.environ.get("GITHUB_TOKEN")
    if not token:
        raise PipelineError(
            "GITHUB_TOKEN is not set; give the step a token that may write pull requests"
        )
    github = GitHub(repository, token, os.environ.get("GITHUB_API_URL", "https://api.github.com"))
    # Asked last of all: runs of one pull request wait for each other, so a newer commit's comment is never replaced by an older's.
    newest = github.head(pull_request)
    if newest != head:
        where = f"is at {newest[:10]} by now" if newest else "is closed"
        console.result(f"pull request {pull_request} {where}: no comment on {head[:10]}")
        return console.OK
    new = github.put_comment(pull_request, MARKER, text(file, head, run))
    console.result(f"{'wrote' if new else 'updated'} the comment of pull request {pull_request}")
    return console.OK


def text(file: Path, head: str, run: str) -> str:
    """The comment as it is posted: what the review found, or that there is nothing, of which commit, and where the log is."""
    try:
        found = file.read_text(errors="replace").removeprefix(MARKER).strip()
    except OSError:
        found = ""
    if not found or len(found) > ROOM:  # cut it could leave code open
        found = _NOTHING
    about = say("This is about the commit {}.", head)
    where = f" [Log of the review]({run})" if run else ""
    return f"{MARKER}\n{found}\n\n{about}{where}\n"[:LIMIT]
