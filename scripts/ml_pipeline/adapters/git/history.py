"""What the past says of files: who changed them last, and what they held."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from ml_pipeline.adapters.git.revisions import Revisions


@dataclass(frozen=True)
class Commit:
    """One commit of the log."""

    sha: str
    author: str
    when: str
    subject: str


@dataclass(frozen=True)
class Version:
    """What a file held from a commit on; None where that commit took it away."""

    sha: str
    subject: str
    body: bytes | None


@dataclass(frozen=True)
class _BlobChange:
    """The commit that changed a file, and the id of what the file holds since."""

    sha: str
    subject: str
    blob: str


class History(Revisions):
    """The log of a clone, read in as few walks as there are questions."""

    def log(self, paths: Iterable[str], revision: str, *options: str) -> list[Commit]:
        """Commits that touched some paths, newest first."""
        # Neither names of people nor subjects hold a NUL; anything else they may.
        form = ("-z", "--format=%H%x00%an%x00%cI%x00%s")
        raw = self.output("log", *form, *options, revision, "--", *paths)
        fields = raw.decode(errors="replace").split("\0")
        return [Commit(*fields[at : at + 4]) for at in range(0, len(fields) - 3, 4)]

    def last_changes(
        self, revision: str, roots: Sequence[str], since: str = ""
    ) -> dict[str, Commit]:
        """The newest commit that touched each file below some folders, in one walk.

        Of those commits that `since` does not have.
        """
        span = f"{since}..{revision}" if since else revision
        # A merge counts for what it has changed itself (-c). By date alone a commit could come
        # before its children, where they were made in one second or by a clock that is wrong.
        walk = ("--topo-order", "-z", "-c", "--no-renames", "--name-only")
        form = "--format=%x00%H%x00%an%x00%cI%x00%s"
        raw = self.output("log", *walk, form, span, "--", *roots)
        changes: dict[str, Commit] = {}
        for path, commit in _touched(os.fsdecode(raw)):
            changes.setdefault(path, commit)  # newest first: the others are older
        return changes

    def versions(self, path: str, revision: str) -> list[Version]:
        """What the branch has said in a file, oldest first, one entry each time that it changed.

        First parents only: what the branch itself held, one after the other, whether commits came
        to it by a push, a squash or a merge.
        """
        branch = ("--first-parent", "-m", "--reverse", "--no-renames", revision, "--", path)
        form = ("-z", "--raw", "--no-abbrev", "--format=%x00%H%x00%s")
        raw = self.output("log", *form, *branch)
        changes = list(_changes_of_one_file(raw.decode(errors="replace")))
        known = sorted({change.blob for change in changes if change.blob.strip("0")})
        bodies = dict(zip(known, self.blobs(known), strict=True))
        return [Version(c.sha, c.subject, bodies.get(c.blob)) for c in changes]


def _touched(text: str) -> Iterator[tuple[str, Commit]]:
    """Each file of each commit in `git log -z --name-only` with such a format, as they come."""
    fields = iter(text.split("\0"))
    commit: Commit | None = None
    is_first = False
    for value in fields:
        if value and commit:
            # A line break parts a commit from its first file; all others belong to names.
            yield (value.removeprefix("\n") if is_first else value), commit
            is_first = False
            continue
        # No file has an empty name: a commit begins.
        sha = value or next(filter(None, fields), "")
        if sha:
            commit, is_first = Commit(sha, *islice(fields, 3)), True


def _changes_of_one_file(text: str) -> Iterator[_BlobChange]:
    """The commits that `git log -z --raw` tells of with such a format."""
    fields = text.split("\0")
    for at in range(0, len(fields) - 4, 5):
        # Empty, the sha, the subject, `:MODE MODE ID ID STATUS`, the path.
        _, sha, subject, change, _ = fields[at : at + 5]
        yield _BlobChange(sha, subject, change.split()[3])
