"""How an environment stands: what runs, what waits and for what, what serves."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from ml_pipeline.adapters.git.facts import on_branch
from ml_pipeline.adapters.kubernetes import ANY, Cluster
from ml_pipeline.documents.faults import InvalidDocumentsError
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.environments.embedded.git_server import open_git_server
from ml_pipeline.environments.interface import Runtime
from ml_pipeline.environments.records import Held, Shown, Traffic
from ml_pipeline.layout import environment_folder, environment_path, verdict_path
from ml_pipeline.operations.bases import REMOTE
from ml_pipeline.operations.bridge import bridge_folder
from ml_pipeline.operations.holds import held_now, held_on_branch
from ml_pipeline.operations.runtime import Folders, open_runtime
from ml_pipeline.operations.workspace import ORIGIN, Workspace, open_branch, runtime_of
from ml_pipeline.rules.automation.branch import Branch
from ml_pipeline.rules.identity.settled import why_no_jobs
from ml_pipeline.rules.rollout.steps import Progress, progress

_ROLLOUTS_ARE_IN = ("environment.yaml", "promotions", "rollouts", "verdicts")


@dataclass(frozen=True)
class Status:
    """How an environment stands."""

    environment: str
    branch: str
    revision: str
    """Of the branch, as it was read."""
    held: tuple[Held, ...]
    shown: Shown | None = None
    """None where the facts of the environment are faulty: it is not looked at then."""
    rollouts: tuple[Progress, ...] = ()
    unknown: str = ""
    """Why it is not known how rollouts stand; empty where it is."""
    no_jobs: str = ""
    """Why there are no Jobs; empty where there are."""


def status(
    repo: Path, environment: str = "local", *, cluster: Cluster = ANY, selector: str = ""
) -> Status:
    """Jobs and models of an environment whose labels match, and what keeps it from going on.

    Raises:
        PipelineError: the environment does not exist, or cannot be asked.
    """
    runtime = _runtime(repo, environment, cluster)
    workspace = _workspace(repo, environment, runtime)
    branch = Branch(workspace.snapshot)
    read = Status(environment, workspace.repository.branch, workspace.revision, ())
    held = runtime.holds()
    if held is None and branch.is_held(environment):
        return replace(read, held=_found(workspace, branch, environment))
    shown = runtime.look(branch, selector)
    # A reconciler in a pod leaves nothing here, and one that is down says nothing any more.
    if held is None or shown.traffic is None:
        held = _found(workspace, branch, environment)
    rollouts, unknown = _rollouts(workspace, environment, shown.traffic)
    return replace(
        read,
        held=(*held, *held_now(shown.held)),
        shown=shown,
        rollouts=_of_the_shown(rollouts, shown, selector),
        unknown=unknown,
        no_jobs="" if shown.jobs else _no_jobs(branch, environment, selector),
    )


def _found(workspace: Workspace, branch: Branch, environment: str) -> tuple[Held, ...]:
    """What a reconciler would hold, found anew."""
    return held_on_branch(workspace.repository, workspace.revision, branch, environment)


def _runtime(repo: Path, environment: str, cluster: Cluster) -> Runtime:
    kind, folders = runtime_of(repo, environment), Folders(bridge=bridge_folder(repo, environment))
    return open_runtime(repo, environment, kind, cluster=cluster, folders=folders)


def _workspace(repo: Path, environment: str, runtime: Runtime) -> Workspace:
    """The branch that the environment follows."""
    if runtime.git:
        # What the environment follows counts, not what this checkout has fetched of it.
        repository = open_git_server(runtime.git.origin)
        repository.remote = REMOTE  # as the clone calls it
        return Workspace(repository, "HEAD", Snapshot(repository.read("HEAD")))
    workspace = open_branch(repo, ORIGIN, environment=environment)
    workspace.environment(environment)
    return workspace


def _rollouts(
    workspace: Workspace, environment: str, traffic: Traffic | None
) -> tuple[list[Progress], str]:
    """How the rollouts of an environment stand, or one line that says why that is not known."""
    roots = [environment_folder(environment, part) for part in _ROLLOUTS_ARE_IN]
    # Read by itself: a fault elsewhere on the branch takes nothing from the answer.
    snapshot = Snapshot(workspace.repository.read(workspace.revision, roots))
    try:
        rollouts = list(progress(snapshot, environment, traffic or {}))
    except InvalidDocumentsError as error:
        repository = workspace.repository
        fault = on_branch(error, repository.remote, repository.branch).faults[0]
        return [], f"rollouts are not known: {fault}"
    return [_dated(workspace, rollout, up=traffic is not None) for rollout in rollouts], ""


def _dated(workspace: Workspace, rollout: Progress, *, up: bool) -> Progress:
    """A rollout with what only the branch and the environment as a whole know of it."""
    if rollout.outcome == "runs":
        return rollout if up else replace(rollout, reason="the environment is down")
    path = verdict_path(rollout.environment, rollout.model, rollout.rollout)
    commits = workspace.repository.log([path], workspace.revision, "-1")
    return replace(rollout, since=commits[0].when) if commits else rollout


def _of_the_shown(
    rollouts: Iterable[Progress], shown: Shown, selector: str
) -> tuple[Progress, ...]:
    """Those of the models that a selector leaves."""
    models = {model.model for model in shown.models}
    return tuple(rollout for rollout in rollouts if not selector or rollout.model in models)


def _no_jobs(branch: Branch, environment: str, selector: str) -> str:
    """Why there is no Job to show; asked only then, as it takes every experiment of the branch."""
    if selector:
        return f"no Jobs with {selector}"
    if branch.is_held(environment):
        path = environment_path(environment)
        return f"no Jobs: nothing is known to train in {environment} while {path} is faulty"
    return why_no_jobs(branch.snapshot, environment)
