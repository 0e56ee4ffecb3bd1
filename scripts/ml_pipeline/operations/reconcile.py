"""One idempotent pass from what has happened to what git says, or one pass after another.

A pass goes one way: the branch is read, the environment is looked at, `rules/automation` makes the
plan of both, and its commits are pushed.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from ml_pipeline.adapters.git.access import GitAccess
from ml_pipeline.adapters.git.code import PACKAGE, package_at, package_here
from ml_pipeline.adapters.git.facts import read_facts
from ml_pipeline.adapters.git.reading import Reading
from ml_pipeline.adapters.git.repository import (
    AUTOMATION,
    Repository,
    clear_stale_locks,
    open_clone,
)
from ml_pipeline.adapters.heartbeat import Heartbeat
from ml_pipeline.adapters.kubernetes import ANY, Cluster
from ml_pipeline.documents.changes import Step
from ml_pipeline.documents.faults import ConflictError, PipelineError
from ml_pipeline.documents.fields import one_line
from ml_pipeline.environments.embedded.git_server import open_automation, open_git_server
from ml_pipeline.environments.interface import Runtime
from ml_pipeline.environments.records import Held
from ml_pipeline.layout import SHORT, file_of, is_of_a_job, short_of
from ml_pipeline.operations import Talk, silent
from ml_pipeline.operations.holds import held_since, is_of_a_file
from ml_pipeline.operations.registry import Follower
from ml_pipeline.operations.runtime import Folders, open_runtime
from ml_pipeline.rules.automation.branch import Branch
from ml_pipeline.rules.automation.observed import Hold, Observed
from ml_pipeline.rules.automation.plan import make_plan
from ml_pipeline.rules.rollout.steps import Progress, progress

PASS_SECONDS = 0.5
FORGE_SECONDS = 10.0  # between two passes where each of them asks a git server of many
_ATTEMPTS = 10
_LONGEST = 200  # characters of a bug
_CODE_HAS_CHANGED = (
    f"ended: {PACKAGE} has changed on the branch; the code that is installed now is to be started"
)
_OTHER_CODE = (
    f"this process runs other code than {PACKAGE} on the branch, which may know what is refused "
    "here; update the checkout or the image, then start it anew "
    "(`ml-pipeline down && ml-pipeline up`)"
)


class Pass(NamedTuple):
    """What one pass has committed, or would commit, and what it leaves alone."""

    steps: tuple[Step, ...]
    held: tuple[Held, ...]


@dataclass(frozen=True)
class Unattended:
    """How it runs where nobody looks, in a cluster: in a clone of its own."""

    url: str
    branch: str
    credentials: Path
    """The folder at which a Secret is mounted."""
    work: Path
    """A folder that may be lost at any time."""

    def clone(self) -> Repository:
        """The clone, made where it is not there yet; nothing is fetched."""
        access = GitAccess(self.credentials)
        return open_clone(self.work / "repository", self.url, self.branch, access)

    @property
    def heartbeat(self) -> Heartbeat:
        """Where a kubelet looks whether it is alive."""
        return Heartbeat(self.work / "heartbeat")


@dataclass
class Reconciler:
    """Automation of one environment, with what it remembers from one pass to the next."""

    environment: str
    repository: Repository
    """Where it commits."""
    runtime: Runtime
    registry: Follower
    servers: tuple[Path, ...] = ()
    """Repositories of this machine that a kill may leave locked."""
    heartbeat: Heartbeat | None = None
    held: tuple[Held, ...] = ()
    """What is held, as it was said last."""

    @cached_property
    def reading(self) -> Reading:
        """What is known of the branch from the passes before."""
        return Reading(self.repository)

    def tell(self, held: tuple[Held, ...], talk: Talk) -> None:
        """Leave what is held where people look for it, and say what is new."""
        if held == self.held:
            return  # twice a second nothing has changed, and nothing is written
        for entry in held:
            if entry not in self.held:
                talk(str(entry))
        self.runtime.keep_holds(held)
        self.held = held

    def beat(self) -> None:
        """Say that a pass has ended, and what troubles it.

        What is held because of a file is told by the file's own review, and is no trouble.
        """
        if self.heartbeat:
            troubles = [str(entry) for entry in self.held if not is_of_a_file(entry.what)]
            self.heartbeat.beat(troubles)


# --- which environment, and where its commits are made ---


def open_reconciler(
    repo: Path, environment: str, *, state: Path | None = None, cluster: Cluster = ANY
) -> Reconciler:
    """Of a checkout: in the embedded environment's own repository, or in the one at hand.

    `state` is the state folder of an embedded environment, or of the bridge that serves and
    measures the models of a cluster.
    """
    facts = read_facts(Repository(repo), environment)
    folders = Folders(state, bridge=state)
    runtime = open_runtime(repo, environment, facts.runtime, cluster=cluster, folders=folders)
    registry = Follower(environment, runtime)
    if runtime.git is None:
        repository = Repository(repo, branch=facts.branch)
        return Reconciler(environment, repository, runtime, registry)
    origin, automation = runtime.git.origin, runtime.git.automation
    repository = open_automation(automation, open_git_server(origin).branch)
    # Since when something is held survives a new start: it stands in the state folder.
    held = runtime.holds() or ()
    servers = (origin, automation)
    return Reconciler(environment, repository, runtime, registry, servers, held=held)


def open_unattended(environment: str, how: Unattended, *, cluster: Cluster = ANY) -> Reconciler:
    """In a clone of its own, with credentials that are mounted.

    What is not there yet, such as a key, a server or the environment, may come: each pass says
    what it lacks, and the next one tries again.
    """
    repository = how.clone()
    runtime = open_runtime(repository.path, environment, "kubernetes", cluster=cluster)
    registry = Follower(environment, runtime)
    servers = (repository.path,)
    return Reconciler(environment, repository, runtime, registry, servers, how.heartbeat)


# --- one pass, in the order in which it goes ---


def one_pass(reconciler: Reconciler, *, dry_run: bool = False, talk: Talk = silent) -> Pass:
    """Plan on the newest revision and push; when the branch has moved meanwhile, plan again.

    Raises:
        PipelineError: the branch moved every time.
    """
    repository, reading = reconciler.repository, reconciler.reading
    for _ in range(_ATTEMPTS):
        revision = repository.fetch()
        branch = reading.at(revision)
        plan = make_plan(branch, _observed(reconciler, branch, revision))
        held = _held(reconciler, (*plan.holds, *_old_code(reconciler, branch, revision)), revision)
        if dry_run:
            return Pass(plan.steps, held)
        if not plan.steps:
            _bring_registry(reconciler, branch, revision, talk)
            return Pass((), held)
        # Each step is a commit of its own, so that one of them can be reverted; pushed as one.
        commits = [(step.changes, step.message) for step in plan.steps]
        head = repository.commit_all(revision, commits, AUTOMATION)
        try:
            # Compare and swap: refused where somebody has pushed since `revision` was read.
            repository.push(head, revision)
        except ConflictError:
            continue
        reading.keep(head, plan.branch)
        return Pass(plan.steps, held)
    raise PipelineError(f"the branch moved {_ATTEMPTS} times in a row; the next pass tries again")


def _observed(reconciler: Reconciler, branch: Branch, revision: str) -> Observed:
    """What the environment shows, with what git knows of the results that it has."""
    environment = reconciler.environment
    if environment not in branch.whole.environments:
        raise PipelineError(
            f"environment {environment!r} is not on the branch; "
            f"known are {', '.join(branch.whole.environments)}"
        )
    if branch.is_held(environment):
        # Where it is, and in which namespaces, cannot be read: it is not even looked at.
        return Observed(environment)
    observed = reconciler.runtime.observe(branch.snapshot, branch.awaited(environment))
    if not observed.results:
        # The walk through the history is long: a pass without results does without it.
        return observed
    changes = reconciler.reading.changes(revision)
    commits = {path: commit.sha for path, commit in changes.items()}
    wanted = {identity[:SHORT] for identity in observed.results}
    requested = {}
    for path in branch.whole.files:
        is_job = file_of(path) == "job.yaml" and is_of_a_job(path, environment)
        if is_job and short_of(path) in wanted and path in changes:
            requested[short_of(path)] = changes[path].when
    return replace(observed, commits=commits, requested=requested)


def _old_code(reconciler: Reconciler, branch: Branch, revision: str) -> list[Hold]:
    """What may be a fault for this code alone: it is not that of the branch."""
    if not branch.faults:
        return []
    there = package_at(reconciler.repository, revision)
    if not there or there == package_here(there):
        return []  # a repository that only uses the package says nothing of its code
    return [Hold("code", _OTHER_CODE)]


def _held(reconciler: Reconciler, holds: Iterable[Hold], revision: str = "") -> tuple[Held, ...]:
    """What is left alone, each with the time since when it is."""
    holds = tuple(holds)
    has_files = any(is_of_a_file(hold.what) for hold in holds)
    changes = reconciler.reading.changes(revision) if has_files and revision else {}
    return held_since(holds, changes, {entry.what: entry.since for entry in reconciler.held})


def _bring_registry(reconciler: Reconciler, branch: Branch, revision: str, talk: Talk) -> None:
    """Bring the registry to what is merged, after everything that decides something.

    Not to half of it, where a document cannot be read.
    """
    if branch.faults:
        return  # aliases of what cannot be read would be taken away
    for line in reconciler.registry.follow(revision, branch.snapshot):
        talk(line)


def rollouts_after(reconciler: Reconciler) -> list[Progress]:
    """How each rollout stands after a pass; none where the environment's facts are faulty."""
    branch = reconciler.reading.at(reconciler.repository.fetch())
    if branch.is_held(reconciler.environment):
        return []
    observed = reconciler.runtime.observe(branch.snapshot, set())
    return list(progress(branch.snapshot, reconciler.environment, observed.serving))


# --- one pass after another ---


def keep_reconciling(reconciler: Reconciler, talk: Talk = silent) -> str:
    """Pass after pass, until the code on the branch has changed; says that this is why it ends.

    Whoever keeps it running starts the code that is installed then. What runs what its image
    holds goes on.
    """
    if reconciler.heartbeat:
        reconciler.heartbeat.start()
    code: dict[str, str] | None = None
    revision = ""
    while True:
        try:
            done = one_pass(reconciler, talk=talk)
            for step in done.steps:
                talk(step.subject)
            reconciler.tell(done.held, talk)
            if revision != reconciler.reading.revision:
                there = package_at(reconciler.repository, reconciler.reading.revision)
                if code is not None and there != code and reconciler.heartbeat is None:
                    return _CODE_HAS_CHANGED
                # Not before git has answered: the next pass would not ask again.
                revision, code = reconciler.reading.revision, there
        except (PipelineError, OSError) as error:
            # A git process that was killed leaves its lock, and every later one would fail.
            for server in reconciler.servers:
                clear_stale_locks(server)
            trouble = Hold("reconcile", one_line(str(error).splitlines()[0]))
            reconciler.tell(_held(reconciler, [trouble]), talk)
        except Exception as error:
            # Told before it ends: whoever starts it again and again would see nothing.
            reconciler.tell(_held(reconciler, [_bug(error)]), talk)
            reconciler.beat()
            raise
        reconciler.beat()
        time.sleep(FORGE_SECONDS if reconciler.heartbeat else PASS_SECONDS)


def _bug(error: Exception) -> Hold:
    known = one_line(f"{type(error).__name__}: {error}", _LONGEST)
    return Hold(
        "reconcile",
        f"a bug ends every pass ({known}); "
        "report it with the lines of `ml-pipeline logs reconcile`",
    )
