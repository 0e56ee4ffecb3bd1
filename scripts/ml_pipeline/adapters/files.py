"""The disk: a working tree read as a mapping, and files replaced whole."""

import os
import tempfile
from pathlib import Path

from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.snapshot import ROOTS
from ml_pipeline.rules.render import Changes


def read_tree(root: Path) -> dict[str, bytes]:
    """Every file below experiments/, environments/ and base/ by its path in the repository.

    Raises:
        PipelineError: a symbolic link leads out of the repository, or `root` holds no such tree.
    """
    if not (root / "environments").is_dir():
        raise PipelineError(f"{root} holds no environments/; run the command in a checkout, or give --repo")
    found: dict[str, bytes] = {}
    for top in ROOTS:
        for folder, _, names in os.walk(root / top):
            for name in names:
                path = Path(folder, name)
                if path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
                    raise PipelineError(f"{path.relative_to(root)}:1: is a link out of the repository; replace it by the file")
                found[path.relative_to(root).as_posix()] = path.read_bytes()
    return found


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
