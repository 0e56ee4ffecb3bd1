"""What a working tree is compared with where nobody says: the branch whose commits it holds."""

from ml_pipeline.adapters.git.revisions import Revisions
from ml_pipeline.documents.snapshot import Files
from ml_pipeline.operations import Talk

TEAMS = "origin/main"
REMOTE = "local"  # the git server of this machine, which `up` makes


def base_of(revisions: Revisions, talk: Talk) -> str:
    """The team's branch, or that of this machine's environment where what is checked out holds
    commits that only the environment has."""
    for own in revisions.tracked_branches(REMOTE):
        if revisions.holds_more(own, TEAMS):
            talk(
                f"compared with {own}, whose commits this holds; "
                f"what a pull request would say: --base {TEAMS}"
            )
            return own
    return TEAMS


def made_here(revisions: Revisions, files: Files) -> dict[str, str]:
    """The branch of this machine's environment that holds a file just so, by the file's path."""
    made: dict[str, str] = {}
    if not files:
        return made
    for own in revisions.tracked_branches(REMOTE):
        made |= dict.fromkeys(revisions.same_in(own, files), own)
    return made
