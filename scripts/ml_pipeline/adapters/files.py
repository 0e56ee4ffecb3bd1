"""The disk: files read as they lie there, and replaced whole."""

import fcntl
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ml_pipeline.documents.changes import Changes
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.layout import ROOTS
from ml_pipeline.rules.review.plain_files import READ, refuse_special

_NO_FILE = "000000"
_NO_FILES = (
    (stat.S_ISLNK, "a link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
)
_USUAL = 2**16  # bytes; a file of a tree is smaller, and is read by one call


class Tree(Mapping[str, bytes]):
    """Files of a folder by their path in it, each read when it is asked for."""

    def __init__(self, root: Path, paths: Iterable[str]) -> None:
        self._root, self._paths = root, dict.fromkeys(sorted(paths))

    def __getitem__(self, path: str) -> bytes:
        """The file's bytes, read now."""
        if path not in self._paths:
            raise KeyError(path)
        return read_plain(f"{self._root}/{path}")

    def __iter__(self) -> Iterator[str]:
        """The paths in their order; reads nothing."""
        return iter(self._paths)

    def __len__(self) -> int:
        """How many there are; reads nothing."""
        return len(self._paths)

    def __contains__(self, path: object) -> bool:
        """Whether it is there; reads nothing."""
        return path in self._paths


def read_plain(path: str) -> bytes:
    """A file's bytes; a link is not followed."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        raw = os.read(handle, _USUAL)
        if len(raw) < _USUAL:
            return raw
        parts = [raw]
        while part := os.read(handle, 2**20):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(handle)


def mode_of(place: Path) -> str:
    """The mode that git would give to what lies at a place."""
    mode = place.lstat().st_mode
    if stat.S_ISLNK(mode):
        return "120000"
    if not stat.S_ISREG(mode):
        return _NO_FILE
    return "100755" if mode & stat.S_IXUSR else "100644"


def scanned(root: Path) -> Tree:
    """Every file below experiments/, environments/ and base/ of a folder that is no clone.

    Raises:
        InvalidDocumentsError: one is no plain file.
    """
    paths = [name for name in READ if name not in ROOTS and (root / name).exists()]
    folders = [top for top in ROOTS if (root / top).is_dir()]
    while folders:
        folder = folders.pop()
        with os.scandir(root / folder) as entries:
            for entry in entries:
                path = f"{folder}/{entry.name}"
                # A link to a folder is a file here, and refused below: no loop, and no way out.
                if entry.is_dir(follow_symlinks=False):
                    folders.append(path)
                else:
                    paths.append(path)
    refuse_special((path, mode_of(root / path)) for path in paths)
    return Tree(root, paths)


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file in one step: a reader, or a crash, sees the old content or the new.

    Who else may read it is for this process' umask to say.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder, as a rename is atomic within one file system only; by a name of its own,
    # as two processes may replace the same file. Without fsync: what a loss of power takes is in
    # git, or made anew.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        with os.fdopen(handle, "wb") as sink:
            sink.write(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def locked(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold a file that one process holds at a time; `waiting` is called where another one does.

    Whoever ends, however he ends, holds it no longer.
    """
    # Closed on exec: what is started meanwhile would hold it for as long as it runs.
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def refuse_no_file(path: Path) -> None:
    """Refuse a place to write an answer to that is there and no regular file.

    A place that a link below this folder leads to is refused as well.

    Raises:
        PipelineError: with what it is.
    """
    here, file = Path.cwd(), path.absolute()
    folders = [folder for folder in file.parents if here in folder.parents]
    for folder in folders:
        _refuse_but(stat.S_ISDIR, folder)
    _refuse_but(stat.S_ISREG, file)


def _refuse_but(is_right: Callable[[int], bool], place: Path) -> None:
    """Refuse what is there and is something else."""
    if not os.path.lexists(place):
        return
    mode = place.lstat().st_mode
    if is_right(mode):
        return
    kind = next((name for is_kind, name in _NO_FILES if is_kind(mode)), "a file")
    raise PipelineError(f"{str(place)!r} is {kind}; name a new file, or a regular one")


def write_answer(path: Path, content: bytes) -> None:
    """Replace a regular file, or make a new one, in one step.

    Nothing else is written to, and no link is followed.

    Raises:
        PipelineError: something else is there.
    """
    refuse_no_file(path)
    write_whole(path.absolute(), content)


def write_changes(root: Path, changes: Changes) -> None:
    """Write and delete files of a working tree; folders left empty go too."""
    for path, content in changes.write.items():
        write_whole(root / path, content)
    for path in changes.delete:
        (root / path).unlink(missing_ok=True)
        folder = (root / path).parent
        while folder != root and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
            folder = folder.parent
