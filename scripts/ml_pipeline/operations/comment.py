"""The comment that a review wrote, put on its pull request."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ml_pipeline.adapters.github import GitHub
from ml_pipeline.documents.escape import say
from ml_pipeline.rules.review.comment import LIMIT, MARKER, ROOM

_NOTHING = "## No answer\n\nThe review of this commit ended without one."


@dataclass(frozen=True)
class Reviewed:
    """A commit of a pull request, and where the log of its review is, if that is known."""

    pull_request: int
    head: str
    log: str = ""


@dataclass(frozen=True)
class Posted:
    """What became of a comment; of one that is `outdated`, where the pull request is by now.

    `newest` is empty where it is closed.
    """

    outcome: Literal["wrote", "updated", "outdated"]
    newest: str = ""


def comment(github: GitHub, reviewed: Reviewed, file: Path) -> Posted:
    """Put the comment of a commit in place, where that is the newest of an open pull request.

    The file is what this code has written in the same job: nobody else's is ever given.

    Raises:
        PipelineError: the token of `github` does not suffice.
    """
    # Asked last of all: runs of one pull request wait for each other, so that a newer commit's
    # comment is never replaced by an older's.
    newest = github.head(reviewed.pull_request)
    if newest != reviewed.head:
        return Posted("outdated", newest or "")
    is_new = github.put_comment(reviewed.pull_request, MARKER, text(file, reviewed))
    return Posted("wrote" if is_new else "updated")


def text(file: Path, reviewed: Reviewed) -> str:
    """The comment as it is posted: what was found, if anything, of which commit, and the log."""
    try:
        body = file.read_text(errors="replace").removeprefix(MARKER).strip()
    except OSError:
        body = ""
    # Too long a text is not cut: that could leave code open.
    if not body or len(body) > ROOM:
        body = _NOTHING
    about = say("This is about the commit {}.", reviewed.head)
    where = f" [Log of the review]({reviewed.log})" if reviewed.log else ""
    return f"{MARKER}\n{body}\n\n{about}{where}\n"[:LIMIT]
