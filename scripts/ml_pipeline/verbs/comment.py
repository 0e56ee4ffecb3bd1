"""`ml-pipeline comment`: post what `review` wrote on its pull request, or that it wrote nothing."""

import os
from pathlib import Path

from ml_pipeline.adapters.github import GitHub
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.rules.comment import LIMIT, MARKER
from ml_pipeline.verbs import console

_NOTHING = "## No answer\n\nThe checks of this pull request ended without one"


def comment(file: Path, *, repository: str, branch: str, head: str, run: str = "") -> int:
    """Put the comment in place on every open pull request of a branch at a commit.

    The file is data from whoever opened the pull request: it decides nothing but the text. Which pull request is meant says GitHub.

    Raises:
        PipelineError: GITHUB_TOKEN is not set, or does not suffice.
    """
    token = os.environ.get("GITHUB_TOKEN")
    if not token:
        raise PipelineError(
            "GITHUB_TOKEN is not set; give the step a token that may write pull requests"
        )
    github = GitHub(repository, token, os.environ.get("GITHUB_API_URL", "https://api.github.com"))
    body = text(file, run)
    numbers = github.pull_requests(branch, head)
    for number in numbers:
        console.result(
            f"{'wrote' if github.put_comment(number, MARKER, body) else 'updated'} the comment of pull request {number}"
        )
    if not numbers:
        console.result(f"no open pull request of {branch} is at {head[:10]} any more")
    return console.OK


def text(file: Path, run: str) -> str:
    """The comment as it is posted: what the checks wrote, or that there is nothing, and where their log is."""
    try:
        found = file.read_bytes()[: 4 * LIMIT].decode(errors="replace").removeprefix(MARKER).strip()
    except OSError:
        found = ""
    where = f"\n\n[Log of the checks]({run})\n" if run else "\n"
    return f"{MARKER}\n{found or _NOTHING}"[: LIMIT - len(where)] + where
