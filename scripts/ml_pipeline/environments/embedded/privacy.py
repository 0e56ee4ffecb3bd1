"""The state folder is its owner's alone: what runs there, and everything that it holds."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

UMASK = 0o077  # what others may do


@contextmanager
def private_files() -> Iterator[None]:
    """What this process and its children create meanwhile is their owner's alone."""
    before = os.umask(UMASK)
    try:
        yield
    finally:
        os.umask(before)


def make_private(root: Path) -> None:
    """Create a folder of the owner's alone, or take from others what they may do in one.

    Raises:
        OSError: something there belongs to another user.
    """
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The folder first: from then on nobody else can put a link in the place of what follows.
    root.chmod(0o700)
    folders = [os.fspath(root)]
    while folders:
        with suppress(FileNotFoundError):  # the environment may be running
            folders += _made_private(folders.pop())


def _made_private(folder: str) -> list[str]:
    """Take from others what they may do with what is in a folder; the folders among that."""
    below = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink():  # its rights are those of what it names, elsewhere
                continue
            with suppress(FileNotFoundError):  # as above
                _take_from_others(entry)
            if entry.is_dir(follow_symlinks=False):
                below.append(entry.path)
    return below


def _take_from_others(entry: os.DirEntry[str]) -> None:
    mode = stat.S_IMODE(entry.stat(follow_symlinks=False).st_mode)
    if mode & UMASK:
        os.chmod(entry.path, mode & ~UMASK)
