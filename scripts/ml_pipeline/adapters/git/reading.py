"""One branch read again and again: only what has changed since the last time is read from git."""

from ml_pipeline.adapters.git.history import Commit
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.adapters.processes import ProgramError
from ml_pipeline.documents.changes import Changes
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.automation.branch import Branch
from ml_pipeline.rules.review.plain_files import READ


class Reading:
    """What is known of the branch of a repository at `revision`, the last that was asked for."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self.revision, self._walked = "", ""
        self._branch = Branch(Snapshot({}))
        self._changes: dict[str, Commit] = {}

    def at(self, revision: str) -> Branch:
        """The branch at a revision."""
        if revision != self.revision:
            self._branch, self.revision = self._read(revision), revision
        return self._branch

    def keep(self, revision: str, branch: Branch) -> None:
        """Note what a revision holds that was made here, so that it is not read."""
        self._branch, self.revision = branch, revision

    def changes(self, revision: str) -> dict[str, Commit]:
        """The newest commit that touched each file, from one walk of what is new since the last."""
        if revision != self._walked:
            try:
                new = self._repository.last_changes(revision, READ, self._walked)
            except ProgramError:  # the branch was set to another history, and the old one is gone
                self._changes = {}
                new = self._repository.last_changes(revision, READ)
            self._changes |= new
            self._walked = revision
        return self._changes

    def _read(self, revision: str) -> Branch:
        if self.revision:
            try:
                write, gone = self._repository.difference(self.revision, revision)
            except ProgramError:  # the branch was set to another history, and the old one is gone
                pass
            else:
                return self._branch.after(Changes(dict(write), frozenset(gone)))
        return Branch(Snapshot(self._repository.read(revision)))
