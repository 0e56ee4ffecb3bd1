"""A clone and its remote: commits without a working tree, pushes that compare and swap."""

import os
import re
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from ml_pipeline.adapters.git import porcelain
from ml_pipeline.adapters.git.access import GitAccess, explained
from ml_pipeline.adapters.git.commits import Draft, import_stream
from ml_pipeline.adapters.git.history import History
from ml_pipeline.adapters.git.plumbing import git
from ml_pipeline.adapters.git.porcelain import GitError
from ml_pipeline.adapters.processes import ProgramError
from ml_pipeline.documents.changes import Changes
from ml_pipeline.documents.faults import ConflictError, PipelineError

Author = tuple[str, str]  # name and address
AUTOMATION: Author = ("ml-pipeline", "ml-pipeline@users.noreply.github.com")
# The branch has moved, or moves just now. Whatever else a server says to a push, such as a
# protected branch, stays as it is.
_REJECTED = re.compile(
    r"stale info|fetch first|non-fast-forward|failed to update ref|failed to lock|cannot lock ref"
    r"|incorrect old value|reference already exists"
)
_REFUSED = re.compile(r"remote rejected\] .*\((.*)\)")
_ATTEMPTS, _LOCKED_SECONDS = 20, 0.02
_ROLES = ("author", "committer")
LOCK_SECONDS = 5.0


class Repository(History):
    """A git repository with a remote, where the branch that counts lives.

    `access` says how the remote is reached where that is not git's own business.
    """

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

    @property
    def tracking(self) -> str:
        """Name of the remote's branch in this repository."""
        return f"refs/remotes/{self.remote}/{self.branch}"

    def call(self, *arguments: str, env: dict[str, str] | None = None) -> str:
        """Output of a git command, without the final newline.

        Raises:
            GitError: git refused; its last line is in the text.
        """
        return porcelain.call(self.path, *arguments, env=env)

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
        """Revision of the branch on the remote, fetched now."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._fetch_once()
                break
            except PipelineError as error:
                # Another command in this clone fetches too, and both write one reference: git
                # waits for the other's lock a tenth of a second, then gives up.
                if "cannot lock ref" not in str(error) or attempt == _ATTEMPTS:
                    raise
                time.sleep(_LOCKED_SECONDS * attempt)
        return self.revision(self.tracking)

    def remote_head(self, branch: str) -> str:
        """The revision of any branch of the remote; empty where there is none."""
        listed = self._talk("ls-remote", self.remote, f"refs/heads/{branch}")
        return listed.split()[0] if listed else ""

    def fetch_revision(self, revision: str) -> None:
        """Fetch a revision of the remote whose objects may not be here yet."""
        self._talk("fetch", "--quiet", self.remote, revision)

    def _fetch_once(self) -> None:
        # With a plus: where somebody has forced the branch to another history, that one counts.
        self._talk("fetch", "--quiet", self.remote, f"+refs/heads/{self.branch}:{self.tracking}")

    def commit(
        self, parent: str, changes: Changes, message: str, author: Author | None = None
    ) -> str:
        """A commit on top of `parent`; nothing but git's object store is touched."""
        return self.commit_all(parent, [(changes, message)], author)

    def commit_all(self, parent: str, drafts: Sequence[Draft], author: Author | None = None) -> str:
        """Commits on top of `parent`, each on the one before: the last of them."""
        signatures = [f"{role} {self._signature(role, author)}" for role in _ROLES]
        # fast-import writes what it has made to a branch. This one has a name of its own, so that
        # two at once never meet.
        branch = f"refs/ml-pipeline/{uuid.uuid4().hex}"
        stream = import_stream(branch, parent, drafts, signatures)
        raw = self.output("fast-import", "--quiet", "--date-format=raw", stdin=stream)
        return raw.decode().strip()

    def _signature(self, role: str, author: Author | None) -> str:
        """Name, address and time; of whoever uses this clone where nobody is named."""
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
        """Set any branch of the remote that is still at `expected`; empty: that does not exist."""
        reference = f"refs/heads/{branch}"
        # Compare and swap, on the server: a push of somebody else since the fetch is never undone.
        lease = f"--force-with-lease={reference}:{expected}"
        try:
            self._talk("push", "--quiet", lease, self.remote, f"{revision}:{reference}")
        except GitError as error:
            raise self._rejection(branch, error) from error

    def _rejection(self, branch: str, error: GitError) -> PipelineError:
        """A push that failed: who has lost a race may try again, nobody else."""
        if _REJECTED.search(error.stderr):
            return ConflictError(f"{self.remote}/{branch} has moved; run the command again")
        refused = _REFUSED.search(error.stderr)
        if refused:
            return PipelineError(
                f"{self.remote} refuses the push to {branch} ({refused[1]}); let whose key or "
                "token this is push there, past the branch's protection"
            )
        return PipelineError(
            f"push to {self.remote} failed: {error.cause}; check the remote and your rights"
        )

    def propose(self, plan: Callable[[str], Draft], *, author: Author | None = None) -> str | None:
        """Commit what `plan(revision)` says on top of the branch and push it.

        It is planned anew each time that the branch has moved meanwhile: what was right on top of
        one revision may be wrong on the next.

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

    def _talk(self, *arguments: str) -> str:
        """Output of a git command that needs the remote."""
        if self.access is None:
            return self.call(*arguments)
        # Nobody looks after this process: it uses what its Secret holds now, and ends in time.
        variables, seconds = self.access.variables(), self.access.seconds
        try:
            raw = git(self.path, *arguments, env=variables, seconds=seconds)
        except ProgramError as error:
            raise GitError(arguments[0], error.stderr, explained(error.stderr)) from error
        return os.fsdecode(raw).removesuffix("\n")


def open_clone(path: Path, url: str, branch: str, access: GitAccess | None) -> Repository:
    """A bare repository of one's own that follows one branch of an address.

    It is made where it is not there yet, and taken up where a process that made it, or worked in
    it, was killed.
    """
    path.mkdir(parents=True, exist_ok=True)
    clear_stale_locks(path)
    git(path, "init", "--quiet", "--bare", f"--initial-branch={branch}")
    # A gc in the background would have nobody to reap it in a container.
    for key in ("gc.autoDetach", "maintenance.autoDetach"):
        git(path, "config", key, "false")
    git(path, "config", "remote.origin.url", url)
    return Repository(path, branch=branch, access=access)


def clear_stale_locks(repository: Path, older_than: float = LOCK_SECONDS) -> None:
    """Remove what a killed git has left locked in a bare repository."""
    # A git that runs holds a lock for milliseconds: one of seconds has nobody to release it.
    for lock in repository.rglob("*.lock"):
        try:
            if time.time() - lock.stat().st_mtime > older_than:
                lock.unlink()
        except FileNotFoundError:
            continue
