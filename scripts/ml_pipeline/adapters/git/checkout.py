"""The working tree after a commit that was made without it: what it holds of that commit follows, all else stays."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ml_pipeline.adapters import processes
from ml_pipeline.adapters.files import write_whole
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.layout import ROOTS

_Listing = Mapping[str, tuple[str, str]]  # blob and mode by path


@dataclass(frozen=True)
class Following:
    """What became of the tree: it followed to the commit, or copies of what is in the commit were taken out of it."""

    followed: bool = False
    removed: tuple[str, ...] = ()


def follow(repository: Repository, revision: str, own: Mapping[str, bytes]) -> Following:
    """Make way for a commit of the branch: git refuses to pull over files that it does not know, even equal ones.

    Copies are files of the tree that the commit holds byte for byte, or as `own` says by path (what a commit was made
    of). Without copies nothing is touched. Where the branch is checked out and can go forward to the commit, it does.
    Elsewhere copies that git does not know are removed: they are in the commit. Any other file stays as it is.
    """
    head = repository.revision("HEAD")
    listed = repository.listing(revision, ROOTS)
    copies = _copies(repository, head, listed, own)
    if not copies:
        return Following()
    if _forward(repository, head, revision, copies, listed):
        return Following(followed=True)
    tracked = set(repository.call("ls-files", "--", *copies).splitlines())
    unknown = tuple(path for path in copies if path not in tracked)
    for path in unknown:
        (repository.path / path).unlink()
    return Following(removed=unknown)


def _copies(
    repository: Repository, head: str, listed: _Listing, own: Mapping[str, bytes]
) -> dict[str, bytes]:
    """Contents of the commit, by path, of files whose change is in the tree already; not of those staged otherwise."""
    before = repository.listing(head, ROOTS)
    changed = [path for path, entry in listed.items() if before.get(path) != entry]
    there = [path for path in changed if _is_plain(repository.path, path)]
    wanted = _contents(repository, {path: listed[path][0] for path in there})
    old = _contents(repository, {path: before[path][0] for path in there if path in before})
    index = repository.staged(ROOTS)
    staged = _contents(repository, {path: index[path][0] for path in there if path in index})
    copies = {}
    for path, content in wanted.items():
        in_tree = (repository.path / path).read_bytes()
        same = (content, own.get(path))
        unstaged = staged.get(path) in (*same, old.get(path), None)
        if in_tree != old.get(path) and in_tree in same and unstaged:
            copies[path] = content
    return copies


def _contents(repository: Repository, ids: dict[str, str]) -> dict[str, bytes]:
    return dict(zip(ids, repository.blobs(list(ids.values())), strict=True))


def _is_plain(top: Path, path: str) -> bool:
    """Whether a file lies there and no link is on the way, so that nothing outside the tree is ever written."""
    place = top / path
    return place.is_file() and place.resolve() == top.resolve() / path


def _forward(
    repository: Repository, head: str, revision: str, copies: dict[str, bytes], listed: _Listing
) -> bool:
    """Fast-forward the branch that is checked out; False, with nothing touched, where git would not."""
    path = repository.path
    entries = "".join(f"{listed[copy][1]} {listed[copy][0]}\t{copy}\n" for copy in copies).encode()
    stage = ["git", "update-index", "--add", "--index-info"]
    index = path / repository.call("rev-parse", "--git-path", "index")
    try:
        branch = repository.call("symbolic-ref", "--quiet", "HEAD")
        repository.call("merge-base", "--is-ancestor", head, revision)
        if branch != f"refs/heads/{repository.branch}":
            return False
        with tempfile.TemporaryDirectory() as folder:
            env = {"GIT_INDEX_FILE": os.path.join(folder, "index")}
            shutil.copy(index, env["GIT_INDEX_FILE"])
            processes.run(stage, cwd=path, stdin=entries, env=env)
            rehearsal = ["git", "read-tree", "-m", "-u", "--dry-run", head, revision]
            processes.run(rehearsal, cwd=path, env=env)
        # Staged as the commit has them, they are no longer in git's way.
        processes.run(stage, cwd=path, stdin=entries)
    except PipelineError:
        return False
    before = {copy: (path / copy).read_bytes() for copy in copies}
    for copy, content in copies.items():
        if before[copy] != content:
            write_whole(path / copy, content)
    try:
        repository.call("merge", "--quiet", "--ff-only", revision)
    except PipelineError:  # such as in the middle of a merge
        for copy, content in before.items():
            write_whole(path / copy, content)
        repository.call("reset", "--quiet", "--", *copies)
        return False
    return True
