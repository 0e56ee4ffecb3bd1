"""The disk: a working tree read as a mapping, and files replaced whole."""

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.snapshot import ROOTS
from ml_pipeline.rules.render import Changes


class Tree(Mapping[str, bytes]):
    """Files of a working tree by their path in the repository, each read when it is asked for."""

    def __init__(self, root: Path, paths: Iterable[str]) -> None:
        self._root, self._paths = root, dict.fromkeys(sorted(paths))

    def __getitem__(self, path: str) -> bytes:
        """The file's bytes, read now.

        Raises:
            PipelineError: as `refuse_unsafe`.
        """
        if path not in self._paths:
            raise KeyError(path)
        refuse_unsafe(self._root, path)
        return (self._root / path).read_bytes()

    def __iter__(self) -> Iterator[str]:
        """The paths in their order; reads nothing."""
        return iter(self._paths)

    def __len__(self) -> int:
        """How many there are; reads nothing."""
        return len(self._paths)

    def __contains__(self, path: object) -> bool:
        """Whether it is there; reads nothing."""
        return path in self._paths


def refuse_unsafe(root: Path, path: str) -> None:
    """Refuse a path that is not to be read.

    Raises:
        PipelineError: its name is not printable UTF-8, or it is a symbolic link that leads out of the repository.
    """
    place = root / path
    if not path.isprintable():
        raise PipelineError(
            f"{path!r}: the name holds what is not printable UTF-8; rename the file"
        )
    if place.is_symlink() and not place.resolve().is_relative_to(root.resolve()):
        raise PipelineError(f"{path}:1: is a link out of the repository; replace it by the file")


def open_tree(root: Path) -> Tree:
    """Every file below experiments/, environments/ and base/.

    Raises:
        PipelineError: `root` holds no such tree, or a symbolic link leads out of the repository.
    """
    if not (root / "environments").is_dir():
        raise PipelineError(
            f"{root} holds no environments/; run the command in a checkout, or give --repo"
        )
    found: list[str] = []
    folders = [top for top in ROOTS if (root / top).is_dir()]
    while folders:
        folder = folders.pop()
        with os.scandir(root / folder) as entries:
            for entry in entries:
                path = f"{folder}/{entry.name}"
                if entry.is_symlink() or not path.isprintable():
                    refuse_unsafe(root, path)
                if entry.is_dir(follow_symlinks=False):
                    folders.append(path)
                elif entry.is_file():
                    found.append(path)
    return Tree(root, found)


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file in one step: a reader, or a crash, sees the old content or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as sink:
            sink.write(content)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


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
