"""git: commits made without touching a working tree, pushes that compare and swap."""

import os
import re
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from ml_pipeline.adapters import processes
from ml_pipeline.adapters.git.access import GitAccess, explained
from ml_pipeline.adapters.git.revisions import Revisions
from ml_pipeline.documents.changes import Changes
from ml_pipeline.documents.faults import ConflictError, PipelineError

AUTOMATION = ("ml-pipeline", "ml-pipeline@users.noreply.github.com")
# The branch has moved, or moves just now. Whatever else a server says to a push, such as a protected branch, stays as it is.
_REJECTED = re.compile(
    r"stale info|fetch first|non-fast-forward|failed to update ref|failed to lock|cannot lock ref"
    r"|incorrect old value|reference already exists"
)
_REFUSED = re.compile(r"remote rejected\] .*\((.*)\)")
_ATTEMPTS, _LOCKED_SECONDS = 20, 0.02
_ROLES = ("author", "committer")
LOCK_SECONDS = 5.0


@dataclass(frozen=True)
class Commit:
    """One commit of the log."""

    sha: str
    author: str
    when: str
    subject: str


@dataclass(frozen=True)
class Version:
    """What a file held from a commit on; None where that commit took it away."""

    sha: str
    subject: str
    body: bytes | None


class GitError(PipelineError):
    """git refused; carries what it said, and the cause in it."""

    def __init__(self, command: str, stderr: str, cause: str = "") -> None:
        self.stderr, self.cause = stderr, cause or _cause(stderr)
        super().__init__(f"git {command}: {self.cause}")


class Repository(Revisions):
    """A git repository with a remote; `remote` is where the branch that counts lives, `access` how it is reached where
    that is not git's own business."""

    def __init__(
        self,
        path: Path,
        *,
        remote: str = "origin",
        branch: str = "main",
        access: GitAccess | None = None,
    ) -> None:
        super().__init__(path)
        self.remote, self.branch, self.access = remote, branch, access

    @cached_property
    def _git(self) -> Any:
        import git  # 0.1 s; commands that only read do not pay for it

        return git.Repo(self.path).git

    @property
    def _error(self) -> Any:
        import git

        return git.GitCommandError

    @property
    def tracking(self) -> str:
        """Name of the remote's branch in this repository."""
        return f"refs/remotes/{self.remote}/{self.branch}"

    def default_branch(self) -> str:
        """The branch that HEAD of the remote names; `main` where it names none."""
        listed = self._talk("ls-remote", "--symref", self.remote, "HEAD")
        named = re.match(r"ref: refs/heads/(\S+)\s+HEAD", listed)
        return named[1] if named else "main"

    def head_branch(self) -> str:
        """The branch that HEAD of this repository names.

        Raises:
            PipelineError: it names a commit instead.
        """
        return self.call("symbolic-ref", "--short", "HEAD")

    def branch_head(self) -> str:
        """Where the branch of a bare repository is, from git's files: cheap enough to ask often."""
        try:
            return (self.path / "refs" / "heads" / self.branch).read_text().strip()
        except FileNotFoundError:  # git has packed it with others
            return self.revision(self.branch)

    def fetch(self) -> str:
        """Revision of the branch on the remote, fetched now; another command in this clone may be fetching at the same time."""
        for attempt in range(1, _ATTEMPTS):
            try:
                self._fetch_once()
                break
            except PipelineError as error:
                if "cannot lock ref" not in str(error):
                    raise
                time.sleep(_LOCKED_SECONDS * attempt)
        else:
            self._fetch_once()
        return self.revision(self.tracking)

    def _fetch_once(self) -> None:
        self._talk("fetch", "--quiet", self.remote, f"+refs/heads/{self.branch}:{self.tracking}")

    def commit(
        self, parent: str, changes: Changes, message: str, author: tuple[str, str] | None = None
    ) -> str:
        """A commit on top of `parent` with these changes; nothing but git's object store is touched."""
        return self.commit_all(parent, [(changes, message)], author)

    def commit_all(
        self,
        parent: str,
        commits: Sequence[tuple[Changes, str]],
        author: tuple[str, str] | None = None,
    ) -> str:
        """Commits on top of `parent`, each on the one before: the last of them. One process makes them all."""
        names = [f"{role} {self._signature(role, author)}\n".encode() for role in _ROLES]
        # fast-import writes what it has made to a branch; this one has a name of its own, and is gone at the end.
        branch = f"refs/ml-pipeline/{uuid.uuid4().hex}"
        stream = [b"feature done\n"]
        for number, (changes, message) in enumerate(commits, 1):
            stream += [
                f"commit {branch}\nmark :{number}\n".encode(),
                *names,
                _data(message.encode()),
            ]
            if number == 1:
                stream.append(f"from {parent}\n".encode())
            stream += [b"D " + _quoted(path) + b"\n" for path in sorted(changes.delete)]
            for path, raw in changes.write.items():
                stream += [b"M 100644 inline " + _quoted(path) + b"\n", _data(raw)]
        stream.append(
            f"get-mark :{len(commits)}\nreset {branch}\nfrom {'0' * 40}\n\ndone\n".encode()
        )
        raw = processes.run(
            ["git", "fast-import", "--quiet", "--date-format=raw"],
            cwd=self.path,
            stdin=b"".join(stream),
        )
        return raw.decode().strip()

    def _signature(self, role: str, author: tuple[str, str] | None) -> str:
        """Name, address and time of a commit; of whoever uses this clone where nobody is named."""
        if author is None:
            return self.call("var", f"GIT_{role.upper()}_IDENT")
        name, address = author
        return f"{name} <{address}> {int(time.time())} +0000"

    def push(self, revision: str, expected: str) -> None:
        """Move the remote's branch from `expected` to `revision`.

        Raises:
            ConflictError: it is no longer at `expected`.
        """
        self.push_branch(revision, self.branch, expected)

    def push_branch(self, revision: str, branch: str, expected: str = "") -> None:
        """Set any branch of the remote, if it is still at `expected` (empty: if it does not exist)."""
        reference = f"refs/heads/{branch}"
        lease = f"--force-with-lease={reference}:{expected}"
        try:
            self._talk("push", "--quiet", lease, self.remote, f"{revision}:{reference}")
        except GitError as error:
            if _REJECTED.search(error.stderr):
                raise ConflictError(
                    f"{self.remote}/{branch} has moved; run the command again"
                ) from error
            if refused := _REFUSED.search(error.stderr):
                text = f"{self.remote} refuses the push to {branch} ({refused[1]})"
                raise PipelineError(
                    f"{text}; let whose key or token this is push there, past the branch's protection"
                ) from error
            raise PipelineError(
                f"push to {self.remote} failed: {error.cause}; check the remote and your rights"
            ) from error

    def propose(
        self, plan: Callable[[str], tuple[Changes, str]], *, author: tuple[str, str] | None = None
    ) -> str | None:
        """Commit what `plan(revision)` says on top of the branch and push it; plan anew each time the branch has moved.

        Returns the new revision, None where there is nothing to do.
        """
        for _ in range(_ATTEMPTS):
            parent = self.fetch()
            changes, message = plan(parent)
            if not changes:
                return None
            revision = self.commit(parent, changes, message, author)
            try:
                self.push(revision, parent)
            except ConflictError:
                continue
            return revision
        raise PipelineError(
            f"{self.remote}/{self.branch} moved {_ATTEMPTS} times in a row; run the command again"
        )

    def log(self, paths: Iterable[str], revision: str, *options: str) -> list[Commit]:
        """Commits that touched some paths, newest first."""
        # Neither names of people nor subjects hold a NUL; anything else they may.
        form = ("-z", "--format=%H%x00%an%x00%cI%x00%s")
        command = ["git", "log", *form, *options, revision, "--", *paths]
        fields = processes.run(command, cwd=self.path).decode(errors="replace").split("\0")
        return [Commit(*fields[at : at + 4]) for at in range(0, len(fields) - 3, 4)]

    def last_changes(
        self, revision: str, roots: Sequence[str], since: str = ""
    ) -> dict[str, Commit]:
        """The newest commit that touched each file below some folders, of those that `since` does not have; one walk."""
        span = f"{since}..{revision}" if since else revision
        # A merge counts for what it has changed itself (-c). Neither names of files nor of people hold a NUL. By date alone
        # a commit could come before its children, where they were made in the same second or by a clock that is wrong.
        command = ["git", "log", "--topo-order", "-z", "-c", "--no-renames", "--name-only"]
        command += ["--format=%x00%H%x00%an%x00%cI%x00%s", span, "--", *roots]
        fields = iter(os.fsdecode(processes.run(command, cwd=self.path)).split("\0"))
        found: dict[str, Commit] = {}
        commit = None
        is_first = False
        for value in fields:
            if value and commit:
                # A line break parts a commit from its first file; all others belong to names.
                found.setdefault(value.removeprefix("\n") if is_first else value, commit)
                is_first = False
                continue
            # No file has an empty name: a commit begins.
            sha = value or next(filter(None, fields), "")
            if sha:
                commit, is_first = Commit(sha, *islice(fields, 3)), True
        return found

    def versions(self, path: str, revision: str) -> list[Version]:
        """What the branch has said in a file, oldest first, one entry for each time that it changed.

        First parents only: what the branch itself held, one after the other, whether commits came to it by a push, a
        squash or a merge.
        """
        branch = ("--first-parent", "-m", "--reverse", "--no-renames", revision, "--", path)
        form = ("-z", "--raw", "--no-abbrev", "--format=%x00%H%x00%s")
        raw = processes.run(["git", "log", *form, *branch], cwd=self.path)
        rows = list(_changes_of_one_file(raw.decode(errors="replace")))
        known = sorted({blob for _, _, blob in rows if blob.strip("0")})
        bodies = dict(zip(known, self.blobs(known), strict=True))
        return [Version(sha, subject, bodies.get(blob)) for sha, subject, blob in rows]

    def call(self, *arguments: str, env: dict[str, str] | None = None) -> str:
        """Output of a git command, without the final newline.

        Raises:
            PipelineError: git refused; its last line is in the text.
        """
        name, *rest = arguments
        try:
            return str(getattr(self._git, name.replace("-", "_"))(*rest, env=env))
        except self._error as error:
            raise GitError(name, str(error.stderr)) from error

    def _talk(self, *arguments: str) -> str:
        """Output of a git command that needs the remote."""
        if self.access is None:
            return self.call(*arguments)
        try:
            raw = processes.run(
                ["git", *arguments],
                cwd=self.path,
                env=self.access.variables(),
                seconds=self.access.seconds,
            )
        except processes.ProgramError as error:
            raise GitError(arguments[0], error.stderr, explained(error.stderr)) from error
        return os.fsdecode(raw).removesuffix("\n")


def open_clone(path: Path, url: str, branch: str, access: GitAccess) -> Repository:
    """A bare repository of one's own that follows one branch of an address; made where it is not there yet, and taken up
    where a process that made it, or worked in it, was killed."""
    path.mkdir(parents=True, exist_ok=True)
    clear_stale_locks(path)
    processes.run(["git", "init", "--quiet", "--bare", f"--initial-branch={branch}"], cwd=path)
    # A gc in the background would have nobody to reap it in a container.
    for key in ("gc.autoDetach", "maintenance.autoDetach"):
        processes.run(["git", "config", key, "false"], cwd=path)
    processes.run(["git", "config", "remote.origin.url", url], cwd=path)
    return Repository(path, branch=branch, access=access)


def clear_stale_locks(repository: Path, older_than: float = LOCK_SECONDS) -> None:
    """Remove what a killed git has left locked in a bare repository; git itself holds a lock for milliseconds."""
    for lock in repository.rglob("*.lock"):
        try:
            if time.time() - lock.stat().st_mtime > older_than:
                lock.unlink()
        except FileNotFoundError:
            continue


def _changes_of_one_file(raw: str) -> Iterator[tuple[str, str, str]]:
    """Sha, subject and the blob's id after it, of each commit that `git log -z --raw` tells of with such a format."""
    fields = raw.split("\0")
    for at in range(0, len(fields) - 4, 5):
        _, sha, subject, change, _ = fields[at : at + 5]
        yield sha, subject, change.split()[3]


def _data(raw: bytes) -> bytes:
    return b"data %d\n%b\n" % (len(raw), raw)


def _quoted(path: str) -> bytes:
    """A path as fast-import reads it, whatever characters it has."""
    raw = os.fsencode(path)
    for plain, quoted in ((b"\\", b"\\\\"), (b'"', b'\\"'), (b"\n", b"\\n")):
        raw = raw.replace(plain, quoted)
    return b'"' + raw + b'"'


def _cause(stderr: str) -> str:
    if "shallow update not allowed" in stderr:
        return "a shallow clone lacks the history; fetch it with `git fetch --unshallow`"
    lines = [
        line.strip(" '")
        for line in stderr.removeprefix("\n  stderr: '").splitlines()
        if line.strip(" '")
    ]
    telling = (
        [line for line in lines if line.startswith(("fatal:", "error:"))]
        or lines[-1:]
        or ["no message"]
    )
    return telling[0].removeprefix("fatal: ").removeprefix("error: ")
