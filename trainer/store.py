"""Bytes by address (file://, s3://, https:// through
fsspec), always checked against their digest."""

import hashlib
import io
import os
import tempfile
from pathlib import Path

import fsspec

from trainer.config import DataError

BLOCK = 2**20
_GONE = (404, 410)  # HTTP status


def fetch(uri: str, sha256: str) -> bytes:
    """The bytes at an address.

    Raises:
        DataError: nothing is there, it is no file, or the digest differs.
        ConnectionError: the server does not give it at the moment.
    """
    content = io.BytesIO()
    digest = hashlib.sha256()
    try:
        with fsspec.open(uri, "rb") as source:
            while block := source.read(BLOCK):
                digest.update(block)
                content.write(block)
    except FileNotFoundError as error:
        # fsspec says this of every answer that is not 200; its cause
        # tells a 404 from a server that is away.
        if error.__cause__ and getattr(error.__cause__, "status", None) not in _GONE:
            raise ConnectionError(
                f"{uri}: {error.__cause__}; wait for its server, or correct the rights"
            ) from error
        raise DataError(
            f"{uri} is not there; correct the address or prepare the data again"
        ) from error
    except (IsADirectoryError, ValueError) as error:
        raise DataError(f"{uri}: is no file ({error}); correct the address") from error
    if digest.hexdigest() != sha256:
        raise DataError(
            f"{uri} has the sha256 {digest.hexdigest()}, declared is {sha256}; the bytes have "
            "changed, restore them"
        )
    return content.getvalue()


def put(uri: str, content: bytes) -> None:
    """Write bytes to an address; on a file system in one step."""
    scheme, _, path = uri.partition("://")
    if scheme != "file":
        with fsspec.open(uri, "wb") as sink:
            sink.write(content)
        return
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    replace(target, content)


def replace(target: Path, content: bytes) -> None:
    """Replace a file in one step and only after its bytes are on the disk."""
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as sink:
            sink.write(content)
            sink.flush()
            os.fsync(sink.fileno())
        os.replace(temporary, target)
    finally:
        Path(temporary).unlink(missing_ok=True)


def folder_sha256(folder: Path) -> tuple[str, int]:
    """SHA-256 of a folder, of its sorted `sha256sum` lines, and its size in bytes."""
    lines, size = [], 0
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        content = path.read_bytes()
        size += len(content)
        lines.append(
            f"{hashlib.sha256(content).hexdigest()}  {path.relative_to(folder).as_posix()}\n"
        )
    return hashlib.sha256("".join(lines).encode()).hexdigest(), size
