"""The working tree after a commit that was made without it.

What it holds of that commit follows, all else stays.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ml_pipeline.adapters.files import write_whole
from ml_pipeline.adapters.git.plumbing import Entry, git
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.layout import ROOTS

_Listing = Mapping[str, Entry]
_STAGE = ("update-index", "--add", "--index-info")


@dataclass(frozen=True)
class Following:
    """What became of the tree: it followed to the commit, or copies of the commit were removed."""

    followed: bool = False
    removed: tuple[str, ...] = ()


def follow(repository: Repository, revision: str, own: Mapping[str, bytes]) -> Following:
    """Make way for a commit of the branch: git does not pull over files that it does not know.

    Not even over equal ones. Copies are files of the tree that the commit holds byte for byte, or
    as `own` says by path (what a commit was made of). Without copies nothing is touched. Where the
    branch is checked out and can go forward to the commit, it does. Elsewhere copies that git does
    not know are removed: they are in the commit. Any other file stays as it is.
    """
    head = repository.revision("HEAD")
    listed = repository.listing(revision, ROOTS)
    copies = _copies(repository, head, listed, own)
    if not copies:
        return Following()
    if _forward(repository, head, revision, copies, listed):
        return Following(followed=True)
    tracked = repository.staged(copies)
    unknown = tuple(path for path in copies if path not in tracked)
    for path in unknown:
        (repository.path / path).unlink()
    return Following(removed=unknown)


def _copies(
    repository: Repository, head: str, listed: _Listing, own: Mapping[str, bytes]
) -> dict[str, bytes]:
    """Contents of the commit, by path, of files whose change is in the tree already."""
    before, index = repository.listing(head, ROOTS), repository.staged(ROOTS)
    there: list[str] = []
    for path, entry in listed.items():
        if before.get(path) != entry and _is_plain(repository.path, path):
            there.append(path)
    wanted = _contents(repository, listed, there)
    old = _contents(repository, before, there)
    staged = _contents(repository, index, there)
    copies: dict[str, bytes] = {}
    for path, content in wanted.items():
        in_tree = (repository.path / path).read_bytes()
        same = (content, own.get(path))
        # What somebody has staged otherwise is work that he means to commit.
        unstaged = staged.get(path) in (*same, old.get(path), None)
        if in_tree != old.get(path) and in_tree in same and unstaged:
            copies[path] = content
    return copies


def _contents(repository: Repository, listed: _Listing, paths: list[str]) -> dict[str, bytes]:
    return repository.contents_of({path: listed[path].blob for path in paths if path in listed})


def _is_plain(top: Path, path: str) -> bool:
    """Whether a file lies there and no link leads to it: nothing outside the tree is written."""
    place = top / path
    return place.is_file() and place.resolve() == top.resolve() / path


def _forward(
    repository: Repository, head: str, revision: str, copies: dict[str, bytes], listed: _Listing
) -> bool:
    """Fast-forward the branch that is checked out; False, with nothing touched, where git would
    not."""
    try:
        if not _could_go(repository, head, revision):
            return False
        entries = _index_info(copies, listed)
        _rehearse(repository, head, revision, entries)
        # Staged as the commit has them, they are no longer in git's way.
        git(repository.path, *_STAGE, stdin=entries)
    except PipelineError:
        return False
    return _merge(repository, revision, copies)


def _could_go(repository: Repository, head: str, revision: str) -> bool:
    branch = repository.call("symbolic-ref", "--quiet", "HEAD")
    repository.call("merge-base", "--is-ancestor", head, revision)  # raises where it is none
    return branch == f"refs/heads/{repository.branch}"


def _index_info(copies: Mapping[str, bytes], listed: _Listing) -> bytes:
    """The copies as the commit has them, a line each."""
    lines = (f"{listed[path].mode} {listed[path].blob}\t{path}\n" for path in copies)
    return "".join(lines).encode()


def _rehearse(repository: Repository, head: str, revision: str, entries: bytes) -> None:
    """Raise what git would refuse, on a copy of the index: nobody's own is touched for nothing."""
    index = repository.path / repository.call("rev-parse", "--git-path", "index")
    with tempfile.TemporaryDirectory() as folder:
        env = {"GIT_INDEX_FILE": os.path.join(folder, "index")}
        shutil.copy(index, env["GIT_INDEX_FILE"])
        git(repository.path, *_STAGE, stdin=entries, env=env)
        git(repository.path, "read-tree", "-m", "-u", "--dry-run", head, revision, env=env)


def _merge(repository: Repository, revision: str, copies: Mapping[str, bytes]) -> bool:
    """Move the branch and the tree; what was in the tree is put back where git still refuses."""
    before = {path: (repository.path / path).read_bytes() for path in copies}
    changed = {path: content for path, content in copies.items() if before[path] != content}
    _write(repository.path, changed)
    try:
        repository.call("merge", "--quiet", "--ff-only", revision)
    except PipelineError:  # such as in the middle of a merge
        _write(repository.path, before)
        repository.call("reset", "--quiet", "--", *copies)
        return False
    return True


def _write(top: Path, contents: Mapping[str, bytes]) -> None:
    for path, content in contents.items():
        write_whole(top / path, content)
