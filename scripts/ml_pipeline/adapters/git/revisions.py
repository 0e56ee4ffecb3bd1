"""Revisions of a git repository, read straight from its objects: no checkout, nothing is written.

What git has as an object is that object's bytes, as Flux and `reconcile` read it, whatever a
checkout made of it.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ml_pipeline.adapters.git.plumbing import Entry, batch, git, raw_changes, texts
from ml_pipeline.adapters.processes import ProgramError
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.snapshot import Files
from ml_pipeline.rules.review.plain_files import PLAIN, READ, special

# A stranger's objects: none is fetched when it is read, and no reference replaces another.
_ALONE = {"GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1", "GIT_NO_REPLACE_OBJECTS": "1"}
LINK, SUBMODULE = "120000", "160000"


class Revisions:
    """What a clone knows of the past.

    With `alone`, only what is in it: a partial clone fetches nothing, no object is replaced.
    """

    def __init__(self, path: Path, *, alone: bool = False) -> None:
        self._environ = _ALONE if alone else None
        self.path = self._found(path)

    def _found(self, path: Path) -> Path:
        """The top of the working tree, or a bare repository, which has none."""
        for place in ("--show-toplevel", "--absolute-git-dir"):
            try:
                raw = git(path, "rev-parse", place, env=self._environ)
            except (ProgramError, NotADirectoryError):
                continue
            return Path(raw.decode().strip())
        raise PipelineError(f"{path} is not in a git repository; run the command in a clone")

    def revision(self, name: str) -> str:
        """Full sha of a commit.

        Raises:
            PipelineError: there is no such revision.
        """
        options = ("--verify", "--quiet", "--end-of-options")
        try:
            return self._line("rev-parse", *options, f"{name}^{{commit}}")
        except ProgramError as error:
            raise PipelineError(
                f"{name!r} is not a revision of this repository{self._shallow()}; "
                "fetch it, or correct the name"
            ) from error

    def fork_point(self, base: str, head: str = "HEAD") -> str:
        """Where a head left a base: merging it changes what differs from there.

        Raises:
            PipelineError: there is no such revision, or this clone does not know what both come
                from.
        """
        try:
            return self._line("merge-base", "--end-of-options", base, head)
        except ProgramError as error:
            self.revision(base)  # raises, where one of them is what is not there
            self.revision(head)
            raise PipelineError(
                f"{base!r} and {head} have no commit in common{self._shallow()}; "
                "fetch the history, `git fetch --unshallow`"
            ) from error

    def tracked_branches(self, remote: str) -> list[str]:
        """The branches of a remote as they were fetched last, `local/main`."""
        raw = self._line("for-each-ref", "--format=%(refname)", f"refs/remotes/{remote}/")
        names = [name.removeprefix("refs/remotes/") for name in raw.splitlines()]
        return [name for name in names if name != f"{remote}/HEAD"]

    def holds_more(self, branch: str, than: str) -> bool:
        """Whether HEAD holds commits of a branch that another one has not.

        Not where one of them is not there, or knows nothing of the other.
        """
        try:
            fork = self._line("merge-base", "--end-of-options", branch, "HEAD")
            return bool(self._line("rev-list", "--max-count=1", fork, f"^{than}"))
        except ProgramError:
            return False

    def listing(self, revision: str, roots: Iterable[str]) -> dict[str, Entry]:
        """What a revision has below some folders or files, by path."""
        raw = self.output("ls-tree", "-r", "-z", "--full-tree", revision, "--", *roots)
        entries: dict[str, Entry] = {}
        for row in texts(raw):
            # `MODE TYPE ID`, a tab, the path, which may hold tabs too.
            entry, _, path = row.partition("\t")
            mode, _, blob = entry.split()
            entries[path] = Entry(blob, mode)
        return entries

    def staged(self, roots: Iterable[str]) -> dict[str, Entry]:
        """What the index has there, by path; one side of it in an unfinished merge."""
        raw = self.output("ls-files", "--stage", "-z", "--", *roots)
        entries: dict[str, Entry] = {}
        for row in texts(raw):
            # `MODE ID STAGE`, a tab, the path.
            entry, _, path = row.partition("\t")
            mode, blob, _ = entry.split()
            entries[path] = Entry(blob, mode)
        return entries

    def read(self, revision: str, roots: Iterable[str] = READ) -> dict[str, bytes]:
        """Every file of a revision below some folders, in one go.

        What is no plain file is a `Special`, which no reader takes.
        """
        return self._plain_or_special(self.listing(revision, roots))

    def fetched(self, revision: str, roots: Iterable[str]) -> dict[str, bytes]:
        """The files of a revision as Flux fetches them: executable or not, no link or submodule."""
        listed = self.listing(revision, roots)
        ids = {p: e.blob for p, e in listed.items() if e.mode not in (LINK, SUBMODULE)}
        return self.contents_of(ids)

    def difference(
        self, old: str, new: str, roots: Iterable[str] = READ
    ) -> tuple[dict[str, bytes], set[str]]:
        """What differs in a new revision: files, as `read` gives them, and paths that are gone.

        Raises:
            ProgramError: one of the revisions is not there.
        """
        form = ("-r", "--raw", "-z", "--no-renames", "--no-abbrev")
        listed: dict[str, Entry] = {}
        gone: set[str] = set()
        for change in raw_changes(self.output("diff-tree", *form, old, new, "--", *roots)):
            if change.status == "D":
                gone.add(change.path)
            else:
                listed[change.path] = Entry(change.new, change.mode)
        return self._plain_or_special(listed), gone

    def _plain_or_special(self, listed: Mapping[str, Entry]) -> dict[str, bytes]:
        plain = [entry.blob for entry in listed.values() if entry.mode == PLAIN]
        contents = iter(self.blobs(plain))
        files: dict[str, bytes] = {}
        for path, (blob, mode) in listed.items():
            files[path] = next(contents) if mode == PLAIN else special(mode, blob)
        return files

    def blobs(self, ids: Sequence[str]) -> list[bytes]:
        """Contents by blob id, in one go."""
        return [content for content in self.contents(ids) if content is not None]

    def contents_of(self, ids: Mapping[str, str]) -> dict[str, bytes]:
        """Files by whatever their blob ids stand at, in one go."""
        return dict(zip(ids, self.blobs(list(ids.values())), strict=True))

    def contents(self, names: Sequence[str]) -> list[bytes | None]:
        """Files by `revision:path` or blob id, in one go; None where there is none."""
        if not names:
            return []
        wanted = "".join(f"{name}\n" for name in names).encode()
        return list(batch(self.output("cat-file", "--batch", stdin=wanted), len(names)))

    def restored(self, revision: str, contents: Files) -> frozenset[str]:
        """The paths whose content is one that they had in the history of a revision before."""
        if not contents:
            return frozenset()
        # -m: a merge tells what it has changed of each parent, or it would tell nothing.
        form = ("--raw", "-z", "-m", "--no-renames", "--no-abbrev", "--format=")
        raw = self.output("log", *form, "--end-of-options", revision, "--", *contents)
        restored: set[str] = set()
        for change in raw_changes(raw):
            content = contents.get(change.path)
            if content is not None and blob_id(content, change.new) in (change.old, change.new):
                restored.add(change.path)
        return frozenset(restored)

    def same_in(self, revision: str, contents: Files) -> list[str]:
        """The paths whose content is the one that a revision has there."""
        listed = self.listing(revision, contents)
        return [
            path
            for path, (blob, _) in listed.items()
            if path in contents and blob_id(contents[path], blob) == blob
        ]

    def differs(self, paths: Iterable[str], revision: str, head: str = "") -> bool:
        """Whether files of a revision are others in a head, or without one in the working tree."""
        sides = (revision, head) if head else (revision,)
        return bool(self.output("diff", "--name-only", "--no-renames", *sides, "--", *paths))

    def is_tracked(self, file: Path) -> bool:
        """Whether a file is part of this repository, and does not only lie in it."""
        return bool(git(file.parent, "ls-files", "--", file.name))

    def is_changed(self, folder: Path) -> bool:
        """Whether anything below a folder is another than in the commit that is checked out."""
        return bool(git(folder, "status", "--porcelain", "--", "."))

    def _line(self, *arguments: str) -> str:
        return self.output(*arguments).decode().strip()

    def output(self, *arguments: str, stdin: bytes | None = None) -> bytes:
        """What a git command prints, of a clone that is alone where that was asked for."""
        return git(self.path, *arguments, env=self._environ, stdin=stdin)

    def _shallow(self) -> str:
        is_shallow = self._line("rev-parse", "--is-shallow-repository") == "true"
        return ", a shallow clone" if is_shallow else ""


def blob_id(raw: bytes, like: str) -> str:
    """The id that git gives to these bytes, in a repository whose ids are `like` this one."""
    # Of 40 digits for SHA-1, of 64 for SHA-256; what is hashed is the same.
    whole = b"blob %d\0%b" % (len(raw), raw)
    digest = hashlib.sha256 if len(like) == 64 else hashlib.sha1
    return digest(whole, usedforsecurity=False).hexdigest()
