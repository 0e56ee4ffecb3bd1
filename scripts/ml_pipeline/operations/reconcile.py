"""`ml-pipeline reconcile`: one idempotent pass from what has happened to what git says, or one pass after another."""

import signal
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Literal

from ml_pipeline.adapters.git.access import GitAccess
from ml_pipeline.adapters.git.code import PACKAGE, package_at, package_here
from ml_pipeline.adapters.git.facts import read_facts
from ml_pipeline.adapters.git.reading import Reading
from ml_pipeline.adapters.git.repository import (
    AUTOMATION,
    Commit,
    Repository,
    clear_stale_locks,
    open_clone,
)
from ml_pipeline.adapters.heartbeat import Heartbeat
from ml_pipeline.adapters.kubernetes import ANY, Cluster
from ml_pipeline.commands import console
from ml_pipeline.documents.changes import Step
from ml_pipeline.documents.faults import ConflictError, PipelineError
from ml_pipeline.documents.fields import one_line
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.environments.embedded import observe as local_observe
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.environments.kubernetes import observe as cluster_observe
from ml_pipeline.layout import SHORT, is_of_a_job, short_of
from ml_pipeline.operations.registry import Follower
from ml_pipeline.rules.automation.branch import Branch
from ml_pipeline.rules.automation.observed import Hold, Observed
from ml_pipeline.rules.automation.plan import make_plan
from ml_pipeline.rules.rollout.steps import progress

PASS_SECONDS = 0.5
FORGE_SECONDS = 10.0  # between two passes where each of them asks a git server of many
HELD = "held"  # the state file in which `status` finds what is held
_ATTEMPTS = 10
_TO_THE_MINUTE = 16
_TERMINATED = 143
Passes = Literal["endless", "once", "plan"]
Look = Callable[[Snapshot, set[str]], Observed]


@dataclass(frozen=True)
class Unattended:
    """How it runs where nobody looks, in a cluster: in a clone of its own, with credentials that are mounted. `work` is a
    folder that may be lost at any time."""

    url: str
    branch: str
    credentials: Path
    work: Path

    def clone(self) -> Repository:
        """The clone, made where it is not there yet; nothing is fetched."""
        access = GitAccess(self.credentials)
        return open_clone(self.work / "repository", self.url, self.branch, access)

    @property
    def heartbeat(self) -> Heartbeat:
        """Where a kubelet looks whether it is alive."""
        return Heartbeat(self.work / "heartbeat")


@dataclass(frozen=True)
class Held:
    """Something that is left alone, why, and since when."""

    what: str
    reason: str
    since: str

    def __str__(self) -> str:
        """One line."""
        return f"held since {self.since}: {self.reason}"


@dataclass
class Eyes:
    """Where automation commits, how it looks at the environment, and the git servers of this machine that a kill may leave
    locked. `state` is that of an embedded environment, whose `status` reads there what is held."""

    repository: Repository
    look: Look
    servers: tuple[Path, ...] = ()
    state: State | None = None
    registry: Follower | None = None
    told: tuple[Held, ...] = ()
    heartbeat: Heartbeat | None = None

    @cached_property
    def reading(self) -> Reading:
        """What is known of the branch from the passes before."""
        return Reading(self.repository)

    def tell(self, held: tuple[Held, ...]) -> None:
        """Leave what is held where `status` finds it, and say what is new."""
        if held == self.told:
            return
        for entry in held:
            if entry not in self.told:
                console.talk(str(entry))
        if self.state and held:
            self.state.write(HELD, [asdict(entry) for entry in held])
        elif self.state:
            self.state.drop(HELD)
        self.told = held

    def beat(self) -> None:
        """Say that a pass has ended. What is held because of a file is told by the file's own review, and is no trouble."""
        if self.heartbeat:
            self.heartbeat.beat([str(entry) for entry in self.told if "/" not in entry.what])


def reconcile(
    repo: Path,
    environment: str,
    *,
    state: Path | None = None,
    cluster: Cluster = ANY,
    passes: Passes = "endless",
) -> int:
    """Commit and push what automation has to say: again and again, `once`, or only print the `plan`.

    The endless one ends when the code on the branch has changed: whoever keeps it running starts the code that is
    installed then.
    """
    eyes = open_eyes(repo, environment, state, cluster)
    if passes == "endless":
        return _endless(eyes, environment)
    return _once(eyes, environment, passes)


def _once(eyes: Eyes, environment: str, passes: Passes) -> int:
    steps, held = one_pass(eyes, environment, dry_run=passes == "plan")
    for step in steps:
        console.result(f"{step.subject}: {step.reason}")
    for entry in held:
        console.talk(str(entry))
    for line in _rollouts(eyes, environment):
        console.result(line)
    if not steps:
        console.result("nothing to do")
    return console.FINDINGS if held or (passes == "plan" and steps) else console.OK


def reconcile_unattended(
    environment: str, how: Unattended, *, cluster: Cluster = ANY, passes: Passes = "endless"
) -> int:
    """As `reconcile`, in a clone of its own. What is not there yet, such as a key, a server or the environment, may come:
    each pass says what it lacks, and the next one tries again. It does not end when the code on the branch changes, as it
    runs what its image holds."""
    repository = how.clone()
    eyes = Eyes(
        repository,
        cluster_observe.Observer(cluster, environment, dict).look,
        (repository.path,),
        registry=Follower(environment),
        heartbeat=how.heartbeat,
    )
    if passes != "endless":
        return _once(eyes, environment, passes)
    # The first process of a container gets no signal that it does not ask for.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
    how.heartbeat.start()
    return _endless(eyes, environment)


def open_eyes(
    repo: Path, environment: str, state: Path | None = None, cluster: Cluster = ANY
) -> Eyes:
    """The embedded environment's own repository and state, or the repository at hand and a cluster; of the latter,
    `state` is the folder of the bridge that serves and measures its models."""
    facts = read_facts(Repository(repo), environment)
    if facts.runtime == "embedded":
        where = State(state) if state else local_observe.find_state(repo)
        branch = Repository(where.origin).head_branch()
        here = local_observe.Observer(where, environment)
        return Eyes(
            Repository(where.automation, branch=branch),
            lambda _, awaited: here.look(awaited),
            (where.origin, where.automation),
            where,
            Follower(environment, where),
            read_held(where),
        )

    def traffic() -> cluster_observe.Traffic:
        return local_observe.served(State(state)) if state else {}

    observer = cluster_observe.Observer(cluster, environment, traffic)
    repository = Repository(repo, branch=facts.branch)
    return Eyes(repository, observer.look, registry=Follower(environment))


def one_pass(
    eyes: Eyes, environment: str, *, dry_run: bool = False
) -> tuple[tuple[Step, ...], tuple[Held, ...]]:
    """Plan on the newest revision and push; when the branch has moved meanwhile, plan again.

    Raises:
        PipelineError: the branch moved every time.
    """
    repository = eyes.repository
    for _ in range(_ATTEMPTS):
        revision = repository.fetch()
        branch = eyes.reading.at(revision)
        made = make_plan(branch, _observed(eyes, environment, branch, revision))
        held = _since(eyes, (*made.holds, *_old_code(eyes, branch, revision)), revision)
        if not dry_run and not made.steps:
            _tell_mlflow(eyes, revision, branch)
        if dry_run or not made.steps:
            return made.steps, held
        commits = [(step.changes, step.message) for step in made.steps]
        head = repository.commit_all(revision, commits, AUTOMATION)
        try:
            repository.push(head, revision)
        except ConflictError:
            continue
        eyes.reading.keep(head, made.branch)
        return made.steps, held
    raise PipelineError(f"the branch moved {_ATTEMPTS} times in a row; the next pass tries again")


def read_held(state: State) -> tuple[Held, ...]:
    """What the reconciler of an embedded environment holds."""
    return tuple(Held(**row) for row in state.read(HELD) or ())


def held_on(branch: Branch, environment: str, changes: dict[str, Commit]) -> tuple[Held, ...]:
    """What is left alone because of files on the branch."""
    holds = (*branch.holds(environment), *branch.drift(environment).holds)
    return tuple(Held(h.what, h.reason, _committed(changes.get(h.what))) for h in holds)


def unsettled(cluster: Cluster, branch: Branch, environment: str) -> tuple[Held, ...]:
    """Finished Jobs of a cluster whose result is not taken, as a pass of reconciling would find them now."""
    awaited = branch.awaited(environment)
    if not awaited:
        return ()
    seen = cluster_observe.Observer(cluster, environment, dict).look(branch.snapshot, awaited)
    now = _to_the_minute(datetime.now(UTC))
    return tuple(Held(h.what, h.reason, h.since or now) for h in seen.holds)


def _endless(eyes: Eyes, environment: str) -> int:
    code: dict[str, str] | None = None
    revision = ""
    while True:
        try:
            steps, held = one_pass(eyes, environment)
            for step in steps:
                console.talk(step.subject)
            eyes.tell(held)
            if revision != eyes.reading.revision:
                there = package_at(eyes.repository, eyes.reading.revision)
                if code is not None and there != code and eyes.heartbeat is None:
                    console.talk(
                        f"ended: {PACKAGE} has changed on the branch; the code that is installed now is to be started"
                    )
                    return console.FINDINGS
                revision, code = eyes.reading.revision, there
        except (PipelineError, OSError) as error:
            for server in eyes.servers:
                clear_stale_locks(server)
            eyes.tell(_since(eyes, [_trouble(error)], ""))
        except Exception as error:
            text = f"a bug ends every pass ({one_line(f'{type(error).__name__}: {error}', 200)})"
            text += "; report it with the lines of `ml-pipeline logs reconcile`"
            eyes.tell(_since(eyes, [Hold("reconcile", text)], ""))
            eyes.beat()
            raise
        eyes.beat()
        time.sleep(FORGE_SECONDS if eyes.heartbeat else PASS_SECONDS)


def _trouble(error: Exception) -> Hold:
    return Hold("reconcile", one_line(str(error).splitlines()[0]))


def _rollouts(eyes: Eyes, environment: str) -> list[str]:
    """How each rollout stands after the pass, and what it waits for; of those that are held the reason is said already."""
    branch = eyes.reading.at(eyes.repository.fetch())
    if branch.is_held(environment):
        return []
    seen = eyes.look(branch.snapshot, set()).serving
    return [str(rollout) for rollout in progress(branch.snapshot, environment, seen)]


def _tell_mlflow(eyes: Eyes, revision: str, branch: Branch) -> None:
    """Bring the registry to what is merged, after everything that decides something; not to half of it, where a document
    cannot be read."""
    if eyes.registry and not branch.faults:
        for line in eyes.registry.follow(revision, branch.snapshot):
            console.talk(line)


def _observed(eyes: Eyes, environment: str, branch: Branch, revision: str) -> Observed:
    if environment not in branch.whole.environments:
        raise PipelineError(
            f"environment {environment!r} is not on the branch; known are {', '.join(branch.whole.environments)}"
        )
    if branch.is_held(environment):
        return Observed(environment)
    observed = eyes.look(branch.snapshot, branch.awaited(environment))
    if not observed.results:
        return observed
    changes = eyes.reading.changes(revision)
    wanted = {identity[:SHORT] for identity in observed.results}
    requested = {
        short_of(path): changes[path].when
        for path in branch.whole.files
        if path.endswith("/job.yaml")
        and is_of_a_job(path, environment)
        and short_of(path) in wanted
        and path in changes
    }
    commits = {path: commit.sha for path, commit in changes.items()}
    return replace(observed, commits=commits, requested=requested)


def _since(eyes: Eyes, holds: Iterable[Hold], revision: str) -> tuple[Held, ...]:
    """Since when each of them is held: as it says itself, since the commit of a file, or since it was first seen."""
    holds = tuple(holds)
    files = [hold for hold in holds if "/" in hold.what]
    changes = eyes.reading.changes(revision) if files and revision else {}
    known = {entry.what: entry.since for entry in eyes.told}
    now = _to_the_minute(datetime.now(UTC))
    found = []
    for hold in holds:
        since = hold.since
        if not since and hold.what in changes:
            since = _committed(changes[hold.what])
        found.append(Held(hold.what, hold.reason, since or known.get(hold.what, now)))
    return tuple(found)


def _committed(commit: Commit | None) -> str:
    if commit is None:
        return "an unknown commit"
    when = _to_the_minute(datetime.fromisoformat(commit.when).astimezone(UTC))
    return f"{when}, {commit.sha[:10]} by {one_line(commit.author, 60)}"


def _to_the_minute(when: datetime) -> str:
    return when.isoformat(" ")[:_TO_THE_MINUTE]


def _old_code(eyes: Eyes, branch: Branch, revision: str) -> list[Hold]:
    """What may be a fault for this code alone: it is not that of the branch."""
    if not branch.faults:
        return []
    there = package_at(eyes.repository, revision)
    if not there or there == package_here(there):
        return []
    text = (
        f"this process runs other code than {PACKAGE} on the branch, which may know what is refused here; "
        "update the checkout or the image, then start it anew (`ml-pipeline down && ml-pipeline up`)"
    )
    return [Hold("code", text)]
