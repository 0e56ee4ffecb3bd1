"""The working tree of a clone: where its top is, and what it would be if it were committed.

There is one reading. What git has as an object counts, also where a checkout made something else
of it; only what nobody has added or committed yet is what lies on the disk.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from ml_pipeline.adapters.files import mode_of, scanned
from ml_pipeline.adapters.git.objects import UNKNOWN, Objects
from ml_pipeline.adapters.git.plumbing import Entry, raw_changes, texts
from ml_pipeline.adapters.git.revisions import SUBMODULE, Revisions
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.snapshot import Files
from ml_pipeline.rules.review.plain_files import READ, refuse_special

# By path, with the id `UNKNOWN` for what git has no object of; None for a path that is gone.
Edits = dict[str, Entry | None]


def find_top(folder: Path) -> Path:
    """The top of the checkout that a folder is part of.

    The folder itself where it is part of none, or a bare repository.

    Raises:
        PipelineError: there is no such folder.
    """
    if not folder.is_dir():
        raise PipelineError(f"{folder} is no folder; give --repo a folder of a checkout")
    # A bare repository below a clone is no part of it.
    if (folder / "HEAD").is_file() and (folder / "objects").is_dir():
        return folder
    place = folder.resolve()
    for candidate in (place, *place.parents):
        if (candidate / ".git").exists() or (candidate / "environments").is_dir():
            return folder if candidate == place else candidate
    return folder


def open_tree(root: Path) -> Files:
    """Every file below experiments/, environments/ and base/ of a checkout, or of any folder.

    Raises:
        PipelineError: `root` holds no such tree.
        InvalidDocumentsError: it holds what is no plain file.
    """
    if not (root / "environments").is_dir():
        raise PipelineError(
            f"{root} holds no environments/; run the command in a checkout, or give --repo"
        )
    try:
        revisions = Revisions(root)
    except PipelineError:  # git knows nothing of it
        return scanned(root)
    return would_be_committed(revisions) if revisions.path.samefile(root) else scanned(root)


def would_be_committed(revisions: Revisions) -> Objects:
    """What is added to the index, and what differs from that on the disk.

    Raises:
        InvalidDocumentsError: it holds what is no plain file.
    """
    return Objects(revisions, brought_up(revisions.staged(READ), edits(revisions)))


def brought_up(listed: Mapping[str, Entry], edited: Edits) -> dict[str, str]:
    """Blob ids by path, of what was listed and has changed since.

    Raises:
        InvalidDocumentsError: what comes of it holds what is no plain file.
    """
    entries = dict(listed)
    for path, entry in edited.items():
        if entry is not None:
            entries[path] = entry
        else:
            entries.pop(path, None)
    refuse_special((path, entry.mode) for path, entry in entries.items())
    return {path: entry.blob for path, entry in entries.items()}


def edits(revisions: Revisions, *revision: str) -> Edits:
    """What differs between a revision, or the index, and the working tree."""
    form = ("--raw", "-z", "--no-renames", "--no-abbrev")
    raw = revisions.output("diff", *form, *revision, "--", *READ)
    edited: Edits = {}
    for path, mode, _, blob, status in raw_changes(raw):
        place = revisions.path / path
        if status == "U":  # a merge that is not ended: the disk has what will be
            edited[path] = Entry(UNKNOWN, mode_of(place)) if os.path.lexists(place) else None
        elif status == "D":
            edited[path] = None
        else:
            # git has not hashed what is only on the disk, and says zeros.
            edited[path] = Entry(blob if blob.strip("0") else UNKNOWN, mode)
    return edited | _new_files(revisions)


def _new_files(revisions: Revisions) -> Edits:
    """What git does not know, and is not told to ignore."""
    raw = revisions.output("ls-files", "-z", "--others", "--exclude-standard", "--", *READ)
    found: Edits = {}
    for path in texts(raw):
        # A repository inside this one is listed as its folder; committed it is a submodule.
        is_repository = path.endswith("/")
        mode = SUBMODULE if is_repository else mode_of(revisions.path / path)
        found[path.removesuffix("/")] = Entry(UNKNOWN, mode)
    return found
