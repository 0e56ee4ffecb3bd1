"""Branches of pull requests: what automation or a command proposes, and a person merges."""

from collections.abc import Callable
from dataclasses import dataclass

from ml_pipeline.adapters.git.repository import Author, Repository
from ml_pipeline.documents.changes import Changes

Plan = Callable[[str], tuple[Changes, str]]
"""From a revision to the commit on it."""


@dataclass(frozen=True)
class Pen:
    """Who commits, and onto which branch: whoever uses this clone onto the one that counts, where
    nobody is named."""

    author: Author | None = None
    branch: str | None = None
    """One of its own, for a pull request."""


@dataclass(frozen=True)
class Landing:
    """The branch and the revision that have what was proposed, and whether it was committed now."""

    branch: str
    revision: str
    committed: bool


def land(repository: Repository, plan: Plan, pen: Pen) -> str | None:
    """Commit a plan where a pen writes: the revision, None where nothing had to be committed."""
    if pen.branch is None:
        return repository.propose(plan, author=pen.author)
    landing = on_own_branch(repository, repository.fetch(), pen.branch, plan, author=pen.author)
    return landing.revision if landing.committed else None


def on_own_branch(
    repository: Repository, main: str, branch: str, plan: Plan, *, author: Author | None = None
) -> Landing:
    """A commit on the branch of a pull request; commits of others on it stay."""
    head = repository.remote_head(branch)
    start = main
    if head:
        repository.fetch_revision(head)
        # A branch that was merged is begun anew: going on from it would bring back what main has
        # changed since.
        if not _is_merged(repository, head, main):
            start = head
    changes, message = plan(start)
    if not changes:
        return Landing(branch, start, committed=False)
    revision = repository.commit(start, changes, message, author)
    # A compare and swap: who pushed to the branch since it was looked at loses nothing.
    repository.push_branch(revision, branch, head)
    return Landing(branch, revision, committed=True)


def _is_merged(repository: Repository, branch: str, main: str) -> bool:
    """Whether a branch has nothing that is not on main, however it was merged.

    After a squash main has the contents and none of the commits, so contents are compared.
    """
    fork = repository.call("merge-base", branch, main)
    changed = repository.call("diff", "--name-only", "--no-renames", fork, branch).splitlines()
    return not changed or not repository.call("diff", "--name-only", branch, main, "--", *changed)
