"""Revisions of a git repository read straight from its objects: no checkout, and nothing is written."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ml_pipeline.adapters import processes
from ml_pipeline.adapters.files import Tree, refuse_unsafe
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.snapshot import ROOTS, Files

_LINK, _SUBMODULE = "120000", "160000"


def find_top(folder: Path) -> Path:
    """The top of the checkout that a folder is part of; the folder itself where it is part of none, or a bare repository.

    Raises:
        PipelineError: there is no such folder.
    """
    if not folder.is_dir():
        raise PipelineError(f"{folder} is no folder; give --repo a folder of a checkout")
    if (folder / "HEAD").is_file() and (folder / "objects").is_dir():
        return folder
    place = folder.resolve()
    for candidate in (place, *place.parents):
        if (candidate / ".git").exists() or (candidate / "environments").is_dir():
            return folder if candidate == place else candidate
    return folder


class Revisions:
    """What a clone knows of the past."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for place in (
            "--show-toplevel",
            "--absolute-git-dir",
        ):  # a bare repository has no top level
            try:
                self.path = Path(self._line("rev-parse", place))
                return
            except (processes.ProgramError, NotADirectoryError):
                continue
        raise PipelineError(f"{path} is not in a git repository; run the command in a clone")

    def revision(self, name: str) -> str:
        """Full sha of a commit.

        Raises:
            PipelineError: there is no such revision.
        """
        try:
            return self._line(
                "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"
            )
        except processes.ProgramError as error:
            raise PipelineError(
                f"{name!r} is not a revision of this repository{self._shallow()}; fetch it, or correct the name"
            ) from error

    def fork_point(self, base: str) -> str:
        """Where HEAD left a base: what merging HEAD into it changes is what differs from there.

        Raises:
            PipelineError: there is no such revision, or this clone does not know what both come from.
        """
        try:
            return self._line("merge-base", "--end-of-options", base, "HEAD")
        except processes.ProgramError as error:
            self.revision(base)
            text = f"{base!r} and HEAD have no commit in common{self._shallow()}; fetch the history, `git fetch --unshallow`"
            raise PipelineError(text) from error

    def read(self, revision: str, roots: Iterable[str] = ROOTS) -> dict[str, bytes]:
        """Every file of a revision below some folders, in one go."""
        listed = self.listing(revision, roots)
        ids = {path: blob for path, (blob, mode) in listed.items() if mode != _SUBMODULE}
        return dict(zip(ids, self.blobs(list(ids.values())), strict=True))

    def difference(
        self, old: str, new: str, roots: Iterable[str] = ROOTS
    ) -> tuple[dict[str, bytes], set[str]]:
        """Files below some folders that are another in a new revision, and the paths of those that it does not have.

        Raises:
            ProgramError: one of the revisions is not there.
        """
        command = ["git", "diff-tree", "-r", "-z", "--no-renames", "--no-abbrev", old, new, "--"]
        fields = os.fsdecode(processes.run([*command, *roots], cwd=self.path)).split("\0")[:-1]
        ids: dict[str, str] = {}
        gone: set[str] = set()
        for row, path in zip(fields[::2], fields[1::2], strict=True):
            _, mode, _, blob, what = row.split()
            if what == "D" or mode == _SUBMODULE:
                gone.add(path)
            else:
                ids[path] = blob
        return dict(zip(ids, self.blobs(list(ids.values())), strict=True)), gone

    def listing(self, revision: str, roots: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Blob id and mode of every file below some folders or files, by path."""
        raw = os.fsdecode(
            processes.run(
                ["git", "ls-tree", "-r", "-z", "--full-tree", revision, "--", *roots], cwd=self.path
            )
        )
        rows = (row.partition("\t") for row in raw.split("\0") if row)
        return {path: (meta.split()[2], meta.split()[0]) for meta, _, path in rows}

    def blobs(self, ids: list[str]) -> list[bytes]:
        """Contents by blob id, in one go."""
        return [content for content in self.contents(ids) if content is not None]

    def contents(self, names: list[str]) -> list[bytes | None]:
        """Files by `revision:path` or blob id, in one go; None where there is none."""
        if not names:
            return []
        raw = processes.run(
            ["git", "cat-file", "--batch"],
            cwd=self.path,
            stdin="".join(f"{n}\n" for n in names).encode(),
        )
        found: list[bytes | None] = []
        at = 0
        for _ in names:
            end = raw.index(b"\n", at)
            head = raw[at:end]
            if head.endswith(b" missing"):
                found.append(None)
                at = end + 1
                continue
            size = int(head.split()[2])
            found.append(raw[end + 1 : end + 1 + size])
            at = end + 2 + size
        return found

    def comparison(self, revision: str) -> "Comparison":
        """A revision and the working tree side by side; only files that differ are read from git."""
        listed = self.listing(revision, ROOTS)
        changed, gone = self._changed(revision)
        old = [path for path in sorted(changed) if path in listed]
        before = Overlaid(
            Tree(self.path, listed),
            dict(zip(old, self.blobs([listed[path][0] for path in old]), strict=True)),
        )
        return Comparison(
            before, Tree(self.path, (listed.keys() | changed) - gone), frozenset(changed)
        )

    def _changed(self, revision: str) -> tuple[set[str], set[str]]:
        """Paths that differ between a revision and the working tree, and those of them that are gone."""
        raw = processes.run(
            ["git", "diff", "--raw", "-z", "--no-renames", "--no-abbrev", revision, "--", *ROOTS],
            cwd=self.path,
        )
        fields = os.fsdecode(raw).split("\0")[:-1]
        changed, gone = set(fields[1::2]), set()
        for what, path in zip(fields[::2], fields[1::2], strict=True):
            if what.split()[1] == _LINK or not path.isprintable():
                refuse_unsafe(self.path, path)
            if what.endswith("D"):
                gone.add(path)
        new = processes.run(
            ["git", "ls-files", "-z", "--others", "--exclude-standard", "--", *ROOTS], cwd=self.path
        )
        return changed | set(os.fsdecode(new).split("\0")[:-1]), gone

    def _line(self, *arguments: str) -> str:
        return processes.run(["git", *arguments], cwd=self.path).decode().strip()

    def _shallow(self) -> str:
        return (
            ", a shallow clone"
            if self._line("rev-parse", "--is-shallow-repository") == "true"
            else ""
        )


class Overlaid(Mapping[str, bytes]):
    """Files of which some have another content."""

    def __init__(self, files: Files, other: Files) -> None:
        self._files, self._other = files, other

    def __getitem__(self, path: str) -> bytes:
        """The other content where there is one."""
        found = self._other.get(path)
        return self._files[path] if found is None else found

    def __iter__(self) -> Iterator[str]:
        """The paths of the files."""
        return iter(self._files)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._files)


@dataclass(frozen=True)
class Comparison:
    """Files before and after, and the paths at which they differ."""

    before: Files
    after: Files
    changed: frozenset[str]
