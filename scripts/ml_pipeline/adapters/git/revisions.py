"""Revisions of a git repository read straight from its objects: no checkout, and nothing is written.

There is one reading. What git has as an object is that object's bytes, as Flux and `reconcile` read it, whatever a checkout made of
it; only what nobody has added or committed yet is what lies on the disk.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ml_pipeline.adapters import processes
from ml_pipeline.adapters.files import mode_of, read_plain, scanned
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.snapshot import Files
from ml_pipeline.rules.review.plain_files import PLAIN, READ, refuse_special, special

_ALONE = {"GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1", "GIT_NO_REPLACE_OBJECTS": "1"}
_LINK, _SUBMODULE, _UNKNOWN = "120000", "160000", "0"
# What the package and the versions of what it calls are made of: other code may answer otherwise about the same files.
CODE = ("scripts", "pyproject.toml", "requirements.lock")
# Mode and blob id by path, `_UNKNOWN` for what git has no object of; None for a path that is gone.
Changed = dict[str, tuple[str, str] | None]


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
    """What a clone knows of the past. With `alone`, only what is in it: a partial clone fetches nothing, no object is replaced."""

    def __init__(self, path: Path, *, alone: bool = False) -> None:
        self.path, self._environ = path, _ALONE if alone else None
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

    def fork_point(self, base: str, head: str = "HEAD") -> str:
        """Where a head left a base: what merging the head into it changes is what differs from there.

        Raises:
            PipelineError: there is no such revision, or this clone does not know what both come from.
        """
        try:
            return self._line("merge-base", "--end-of-options", base, head)
        except processes.ProgramError as error:
            self.revision(base)
            self.revision(head)
            text = f"{base!r} and {head} have no commit in common{self._shallow()}; fetch the history, `git fetch --unshallow`"
            raise PipelineError(text) from error

    def read(self, revision: str, roots: Iterable[str] = READ) -> dict[str, bytes]:
        """Every file of a revision below some folders, in one go; what is no plain file is a `Special`, which no reader takes."""
        return self._plain_or_special(self.listing(revision, roots))

    def fetched(self, revision: str, roots: Iterable[str]) -> dict[str, bytes]:
        """The files of a revision as Flux fetches them: executable or not, and without links and submodules."""
        listed = self.listing(revision, roots)
        ids = {p: blob for p, (blob, mode) in listed.items() if mode not in (_LINK, _SUBMODULE)}
        return dict(zip(ids, self.blobs(list(ids.values())), strict=True))

    def difference(
        self, old: str, new: str, roots: Iterable[str] = READ
    ) -> tuple[dict[str, bytes], set[str]]:
        """Files below some folders that are another in a new revision, as `read` gives them, and the paths of those that it does
        not have.

        Raises:
            ProgramError: one of the revisions is not there.
        """
        told = ("-r", "--raw", "-z", "--no-renames", "--no-abbrev")
        raw = self._output("diff-tree", *told, old, new, "--", *roots)
        listed: dict[str, tuple[str, str]] = {}
        gone: set[str] = set()
        for fields, path in _pairs(os.fsdecode(raw)):
            _, mode, _, blob, what = fields.split()
            if what == "D":
                gone.add(path)
            else:
                listed[path] = (blob, mode)
        return self._plain_or_special(listed), gone

    def _plain_or_special(self, listed: Mapping[str, tuple[str, str]]) -> dict[str, bytes]:
        plain = [blob for blob, mode in listed.values() if mode == PLAIN]
        contents = iter(self.blobs(plain))
        return {
            path: next(contents) if mode == PLAIN else special(mode, blob)
            for path, (blob, mode) in listed.items()
        }

    def listing(self, revision: str, roots: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Blob id and mode of every file below some folders or files, by path."""
        raw = self._output("ls-tree", "-r", "-z", "--full-tree", revision, "--", *roots)
        rows = (row.partition("\t") for row in os.fsdecode(raw).split("\0") if row)
        return {path: (meta.split()[2], meta.split()[0]) for meta, _, path in rows}

    def staged(self, roots: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Blob id and mode of every file that the index has there, by path; one side of it in an unfinished merge."""
        raw = self._output("ls-files", "--stage", "-z", "--", *roots)
        rows = (row.partition("\t") for row in os.fsdecode(raw).split("\0") if row)
        return {path: (meta.split()[1], meta.split()[0]) for meta, _, path in rows}

    def blobs(self, ids: list[str]) -> list[bytes]:
        """Contents by blob id, in one go."""
        return [content for content in self.contents(ids) if content is not None]

    def contents(self, names: list[str]) -> list[bytes | None]:
        """Files by `revision:path` or blob id, in one go; None where there is none."""
        if not names:
            return []
        asked = "".join(f"{n}\n" for n in names).encode()
        raw = self._output("cat-file", "--batch", stdin=asked)
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
        """A revision and the working tree side by side.

        Raises:
            InvalidDocumentsError: the working tree holds what is no plain file; the revision may, so that this can repair it.
        """
        listed = self.listing(revision, READ)
        changes = self._changes(revision)
        after = {path: blob for path, (blob, _) in listed.items()}
        modes = {path: mode for path, (_, mode) in listed.items()}
        self._overlay(changes, after, modes)
        before = {path: blob for path, (blob, mode) in listed.items() if mode != _SUBMODULE}
        old = [path for path in sorted(changes) if path in before]
        kept = dict(zip(old, self.blobs([before[path] for path in old]), strict=True))
        sides = Objects(self, before, kept), Objects(self, after)
        return Comparison(*sides, frozenset(changes), self._differs(revision, CODE))

    def _differs(self, revision: str, paths: Iterable[str], *, head: str = "") -> bool:
        """Whether some files of a revision are others in a head, or without one in the working tree."""
        sides = filter(None, (revision, head))
        return bool(self._output("diff", "--name-only", "--no-renames", *sides, "--", *paths))

    def between(self, old: str, new: str) -> "Comparison":
        """Two revisions side by side, by git's objects alone: no file of the disk is looked at.

        Raises:
            InvalidDocumentsError: the new one holds what is no plain file; the old one may, so that this can repair it.
        """
        before, after = self.listing(old, READ), self.listing(new, READ)
        refuse_special((path, mode) for path, (_, mode) in after.items())
        changed = {
            path for path in before.keys() | after.keys() if before.get(path) != after.get(path)
        }
        sides = []
        for listed in (before, after):
            blobs = {p: blob for p, (blob, mode) in listed.items() if mode != _SUBMODULE}
            at = [path for path in sorted(changed) if path in blobs]
            kept = dict(zip(at, self.blobs([blobs[path] for path in at]), strict=True))
            sides.append(Objects(self, blobs, kept, disk=False))
        return Comparison(
            sides[0], sides[1], frozenset(changed), self._differs(old, CODE, head=new)
        )

    def checkout(self) -> "Objects":
        """The working tree as it would be committed: what is added to the index, and what differs from that on the disk.

        Raises:
            InvalidDocumentsError: it holds what is no plain file.
        """
        listed = self.staged(READ)
        blobs = {path: blob for path, (blob, _) in listed.items()}
        modes = {path: mode for path, (_, mode) in listed.items()}
        self._overlay(self._changes(), blobs, modes)
        return Objects(self, blobs)

    def restored(self, revision: str, contents: Files) -> frozenset[str]:
        """The paths whose content is one that they had in the history of a revision before."""
        if not contents:
            return frozenset()
        told = ["--raw", "-z", "-m", "--no-renames", "--no-abbrev", "--format="]
        raw = self._output("log", *told, "--end-of-options", revision, "--", *contents)
        had: set[tuple[str, str]] = set()
        for fields, path in _pairs(os.fsdecode(raw)):
            had |= {(path, blob) for blob in fields.split()[2:4]}
        return frozenset(
            path for path, blob in had if path in contents and blob_id(contents[path], blob) == blob
        )

    @staticmethod
    def _overlay(changes: Changed, blobs: dict[str, str], modes: dict[str, str]) -> None:
        """Bring blob ids and modes up to what has changed, and refuse what is no plain file then."""
        for path, change in changes.items():
            if change is not None:
                modes[path], blobs[path] = change
            elif path in blobs:
                del blobs[path], modes[path]
        refuse_special(modes.items())

    def _changes(self, *revision: str) -> Changed:
        """What differs between a revision, or the index, and the working tree."""
        told = ("--raw", "-z", "--no-renames", "--no-abbrev")
        raw = self._output("diff", *told, *revision, "--", *READ)
        found: Changed = {}
        for fields, path in _pairs(os.fsdecode(raw)):
            _, mode, _, blob, what = fields.split()
            if what == "U":  # a merge that is not ended: the disk has what will be
                found[path] = (
                    (mode_of(self.path / path), _UNKNOWN) if self._is_there(path) else None
                )
            else:
                found[path] = None if what == "D" else (mode, blob if blob.strip("0") else _UNKNOWN)
        new = self._output("ls-files", "-z", "--others", "--exclude-standard", "--", *READ)
        for path in os.fsdecode(new).split("\0")[:-1]:
            # A repository inside this one is listed as its folder; committed it is a submodule.
            inner = path.endswith("/")
            mode = _SUBMODULE if inner else mode_of(self.path / path)
            found[path.removesuffix("/")] = (mode, _UNKNOWN)
        return found

    def _is_there(self, path: str) -> bool:
        return os.path.lexists(self.path / path)

    def _line(self, *arguments: str) -> str:
        return self._output(*arguments).decode().strip()

    def _output(self, *arguments: str, stdin: bytes | None = None) -> bytes:
        """What a git command prints, of a clone that is alone where that was asked for."""
        command = ["git", *arguments]
        return processes.run(command, cwd=self.path, env=self._environ, stdin=stdin)

    def _shallow(self) -> str:
        return (
            ", a shallow clone"
            if self._line("rev-parse", "--is-shallow-repository") == "true"
            else ""
        )


class Objects(Mapping[str, bytes]):
    """Files by their path, each read when it is asked for: the bytes of its git object, or of the disk where git has none.

    An object is read from the disk where the file there hashes to its id, which takes a tenth of the time; at the first that does
    not, or without `disk` at once, all come from git. `kept` are contents that are known.
    """

    def __init__(
        self,
        revisions: Revisions,
        blobs: Mapping[str, str],
        kept: Files | None = None,
        *,
        disk: bool = True,
    ) -> None:
        self._disk = disk
        self._revisions, self._blobs = revisions, dict(sorted(blobs.items()))
        self._kept = dict(kept or {})

    def __getitem__(self, path: str) -> bytes:
        """The file's bytes."""
        if path in self._kept:
            return self._kept[path]
        blob = self._blobs[path]
        place = f"{self._revisions.path}/{path}"
        if blob == _UNKNOWN:
            return read_plain(place)
        try:
            raw = read_plain(place) if self._disk else None
        except OSError:
            raw = None
        if raw is None or blob_id(raw, blob) != blob:
            self._read_all()
            raw = self._kept[path]
        return raw

    def __iter__(self) -> Iterator[str]:
        """The paths in their order; reads nothing."""
        return iter(self._blobs)

    def __len__(self) -> int:
        """How many there are; reads nothing."""
        return len(self._blobs)

    def __contains__(self, path: object) -> bool:
        """Whether it is there; reads nothing."""
        return path in self._blobs

    def _read_all(self) -> None:
        known = {path: blob for path, blob in self._blobs.items() if blob != _UNKNOWN}
        contents = self._revisions.blobs(list(known.values()))
        self._kept = dict(zip(known, contents, strict=True)) | self._kept


@dataclass(frozen=True)
class Comparison:
    """Files before and after, the paths at which they differ, and whether the code that looks at them may differ too."""

    before: Files
    after: Files
    changed: frozenset[str]
    code_differs: bool = True


def open_tree(root: Path) -> Files:
    """Every file below experiments/, environments/ and base/ of a checkout, or of a folder that git knows nothing of.

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
    return revisions.checkout() if revisions.path.samefile(root) else scanned(root)


def _pairs(raw: str) -> Iterator[tuple[str, str]]:
    """What git says of each path with `--raw -z`: `:MODE MODE ID ID STATUS` and the path."""
    fields = raw.split("\0")[:-1]
    yield from zip(fields[::2], fields[1::2], strict=True)


def blob_id(raw: bytes, like: str) -> str:
    """The id that git gives to these bytes, in a repository whose ids are as long as one of them."""
    whole = b"blob %d\0%b" % (len(raw), raw)
    digest = hashlib.sha256 if len(like) == 64 else hashlib.sha1
    return digest(whole, usedforsecurity=False).hexdigest()
