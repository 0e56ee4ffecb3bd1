"""git itself, for what is asked in bulk, by bytes or within a time; and how its answers read.

This is the one place where a command line of git is run as a process of ours. What a person would
type in a clone goes through GitPython (porcelain.py); decision 0036 says what each is for.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ml_pipeline.adapters import processes


class Entry(NamedTuple):
    """What git has at a path: the id of an object, and the mode."""

    blob: str
    mode: str


class RawChange(NamedTuple):
    """One path of a difference, as `--raw` tells it; an id of zeros stands for no object."""

    path: str
    mode: str
    old: str
    new: str
    status: str


def git(
    path: Path,
    *arguments: str,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    seconds: float | None = None,
) -> bytes:
    """What a git command prints in a folder; with `seconds`, it and all it has started end then.

    Raises:
        ProgramError: git is not there, refused, or took too long.
    """
    return processes.run(["git", *arguments], cwd=path, stdin=stdin, env=env, seconds=seconds)


def texts(raw: bytes) -> list[str]:
    """What `-z` ends with a NUL each, the one byte that no path holds."""
    return os.fsdecode(raw).split("\0")[:-1]


def raw_changes(raw: bytes) -> Iterator[RawChange]:
    """A difference in the form of `--raw -z --no-renames --no-abbrev`."""
    fields = texts(raw)
    # In turn `:MODE MODE ID ID STATUS` and the path: without renames there is one path each.
    for change, path in zip(fields[::2], fields[1::2], strict=True):
        _, mode, old, new, status = change.split()
        yield RawChange(path, mode, old, new, status)


def batch(raw: bytes, count: int) -> Iterator[bytes | None]:
    """The objects in an answer of `cat-file --batch`; None for one that is not there."""
    at = 0
    for _ in range(count):
        # `ID TYPE SIZE`, a line break, SIZE bytes that may hold line breaks too, and one more.
        end = raw.index(b"\n", at)
        head = raw[at:end]
        if head.endswith(b" missing"):
            yield None
            at = end + 1
            continue
        size = int(head.split()[2])
        yield raw[end + 1 : end + 1 + size]
        at = end + 2 + size
