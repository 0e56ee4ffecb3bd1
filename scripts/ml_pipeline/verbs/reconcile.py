"""`ml-pipeline reconcile`: one idempotent pass from what has happened to what git says, or one pass after another."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from ml_pipeline.adapters.facts import read_facts
from ml_pipeline.adapters.git import AUTOMATION, Repository, clear_stale_locks
from ml_pipeline.adapters.kubernetes import ANY, Cluster
from ml_pipeline.cluster import observe as cluster_observe
from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.faults import ConflictError, InvalidDocumentsError, PipelineError
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.local import observe as local_observe
from ml_pipeline.local.state import State
from ml_pipeline.rules.advance import progress
from ml_pipeline.rules.checks import checked
from ml_pipeline.rules.identity import SHORT
from ml_pipeline.rules.observed import Observed, Step
from ml_pipeline.rules.overlays import job_folders
from ml_pipeline.rules.reconcile import awaited, held_by_faults, plan
from ml_pipeline.verbs import console
from ml_pipeline.verbs.registry import Follower

PASS_SECONDS = 0.5
_ATTEMPTS = 10
Passes = Literal["endless", "once", "plan"]
Look = Callable[[Snapshot, set[str]], Observed]


@dataclass(frozen=True)
class Eyes:
    """Where automation commits, how it looks at the environment, and the git servers of this machine that a kill may leave locked."""

    repository: Repository
    look: Look
    servers: tuple[Path, ...] = ()
    registry: Follower | None = None


def reconcile(
    repo: Path,
    environment: str,
    *,
    state: Path | None = None,
    cluster: Cluster = ANY,
    passes: Passes = "endless",
) -> int:
    """Commit and push what automation has to say: again and again, `once`, or only print the `plan`."""
    eyes = open_eyes(repo, environment, state, cluster)
    if passes != "endless":
        steps, held = one_pass(eyes, environment, dry_run=passes == "plan")
        for step in steps:
            console.result(f"{step.subject}: {step.reason}")
        for reason in held:
            console.talk(f"held: {reason}")
        for line in _rollouts(eyes, environment):
            console.result(line)
        if not steps:
            console.result("nothing to do")
        return console.FINDINGS if held or (passes == "plan" and steps) else console.OK
    told: tuple[str, ...] = ()
    while True:
        try:
            steps, held = one_pass(eyes, environment)
        except (PipelineError, OSError) as error:
            for server in eyes.servers:
                clear_stale_locks(server)
            steps, held = [], (str(error).splitlines()[0],)
        for line in [step.subject for step in steps] + [
            f"held: {reason}" for reason in held if held != told
        ]:
            console.talk(line)
        told = held
        time.sleep(PASS_SECONDS)


def open_eyes(
    repo: Path, environment: str, state: Path | None = None, cluster: Cluster = ANY
) -> Eyes:
    """The embedded environment's own repository and state, or the repository at hand and a cluster; of the latter,
    `state` is the folder of the bridge that serves and measures its models."""
    if read_facts(Repository(repo), environment).runtime == "embedded":
        where = State(state) if state else local_observe.find_state(repo)

        def embedded(_: Snapshot, waiting: set[str]) -> Observed:
            return local_observe.observe(where, environment, waiting)

        servers = (where.origin, where.automation)
        return Eyes(Repository(where.automation), embedded, servers, Follower(environment, where))

    def kubernetes(snapshot: Snapshot, waiting: set[str]) -> Observed:
        traffic = local_observe.served(State(state)) if state else {}
        return cluster_observe.observe(cluster, snapshot, environment, waiting, traffic)

    return Eyes(Repository(repo), kubernetes, registry=Follower(environment))


def one_pass(
    eyes: Eyes, environment: str, *, dry_run: bool = False
) -> tuple[list[Step], tuple[str, ...]]:
    """Plan on the newest revision and push; when the branch has moved meanwhile, plan again.

    Raises:
        PipelineError: the branch moved every time.
    """
    repository = eyes.repository
    for _ in range(_ATTEMPTS):
        revision = repository.fetch()
        try:
            snapshot = _snapshot(repository, revision)
        except InvalidDocumentsError as error:
            return [], (held_by_faults(list(error.faults)),)
        observed = _observed(eyes, environment, snapshot, revision)
        steps = plan(snapshot, observed)
        if not dry_run and not steps:
            _tell_mlflow(eyes, revision, snapshot)
        if dry_run or not steps:
            return steps, observed.held
        head = revision
        for step in steps:
            head = repository.commit(head, step.changes, step.message, AUTOMATION)
        try:
            repository.push(head, revision)
        except ConflictError:
            continue
        return steps, observed.held
    raise PipelineError(f"the branch moved {_ATTEMPTS} times in a row; the next pass tries again")


def _rollouts(eyes: Eyes, environment: str) -> list[str]:
    """How each rollout stands after the pass, and what it waits for; what cannot be read is held already."""
    snapshot = Snapshot(eyes.repository.read(eyes.repository.fetch()))
    try:
        seen = eyes.look(snapshot, set()).serving
        return [str(rollout) for rollout in progress(snapshot, environment, seen)]
    except InvalidDocumentsError:
        return []


def _tell_mlflow(eyes: Eyes, revision: str, snapshot: Snapshot) -> None:
    """Bring the registry to what is merged, after everything that decides something."""
    if eyes.registry:
        for line in eyes.registry.follow(revision, snapshot):
            console.talk(line)


@lru_cache(maxsize=2)
def _snapshot(repository: Repository, revision: str) -> Snapshot:
    """Documents of a revision; a pass on the same revision reads them once."""
    return checked(repository.read(revision))


def _observed(eyes: Eyes, environment: str, snapshot: Snapshot, revision: str) -> Observed:
    if environment not in snapshot.environments:
        raise PipelineError(
            f"environment {environment!r} is not on the branch; known are {', '.join(snapshot.environments)}"
        )
    observed = eyes.look(snapshot, awaited(snapshot, environment))
    paths = snapshot.paths.get(Experiment, []) if observed.results else []
    commits = {path: eyes.repository.log([path], revision, "-1")[0].sha for path in paths}
    folders = job_folders(snapshot.files)
    waited = (short for identity in observed.results if (short := identity[:SHORT]) in folders)
    asked = {
        short: eyes.repository.log([f"{folders[short]}/job.yaml"], revision, "-1")[0].when
        for short in waited
    }
    return replace(observed, commits=commits, asked=asked)
