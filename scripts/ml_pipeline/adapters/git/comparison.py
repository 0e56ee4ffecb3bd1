"""Two states of a tree side by side, each file of them read when it is asked for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ml_pipeline.adapters.git.objects import Objects
from ml_pipeline.adapters.git.plumbing import Entry
from ml_pipeline.adapters.git.revisions import SUBMODULE, Revisions
from ml_pipeline.adapters.git.working_tree import brought_up, edits
from ml_pipeline.documents.snapshot import Files
from ml_pipeline.rules.review.plain_files import READ, refuse_special

# What the package and the versions of what it calls are made of: other code may answer otherwise
# about the same files.
CODE = ("scripts", "pyproject.toml", "requirements.lock")


@dataclass(frozen=True)
class Comparison:
    """Files before and after, and the paths at which they differ.

    `code_differs` says whether the code that looks at them may differ too.
    """

    before: Files
    after: Files
    changed: frozenset[str]
    code_differs: bool = True


def with_working_tree(revisions: Revisions, revision: str) -> Comparison:
    """A revision and the working tree.

    Raises:
        InvalidDocumentsError: the working tree holds what is no plain file; the revision may, so
            that this can repair it.
    """
    listed = revisions.listing(revision, READ)
    changed = edits(revisions, revision)
    after = Objects(revisions, brought_up(listed, changed))
    before = _side(revisions, listed, changed)
    return Comparison(before, after, frozenset(changed), revisions.differs(CODE, revision))


def between(revisions: Revisions, old: str, new: str) -> Comparison:
    """Two revisions, by git's objects alone: no file of the disk is looked at.

    Raises:
        InvalidDocumentsError: the new one holds what is no plain file; the old one may, so that
            this can repair it.
    """
    before, after = revisions.listing(old, READ), revisions.listing(new, READ)
    refuse_special((path, entry.mode) for path, entry in after.items())
    paths = before.keys() | after.keys()
    changed = frozenset(path for path in paths if before.get(path) != after.get(path))
    return Comparison(
        _side(revisions, before, changed, disk=False),
        _side(revisions, after, changed, disk=False),
        changed,
        revisions.differs(CODE, old, new),
    )


def _side(
    revisions: Revisions, listed: Mapping[str, Entry], changed: Iterable[str], *, disk: bool = True
) -> Objects:
    """The files of a revision; those that have changed are read at once, in one go."""
    # A submodule has no blob that could be read.
    blobs = {path: entry.blob for path, entry in listed.items() if entry.mode != SUBMODULE}
    old = {path: blobs[path] for path in sorted(changed) if path in blobs}
    return Objects(revisions, blobs, revisions.contents_of(old), disk=disk)
