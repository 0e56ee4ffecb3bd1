"""`ml-pipeline withdraw`: take a document or a receipt out of the branch, even where nobody can read it."""

import re
from pathlib import Path

from ml_pipeline.adapters.mlflow.tracking import RefusedError, Tracking
from ml_pipeline.commands import console
from ml_pipeline.documents.changes import Changes
from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.faults import InvalidDocumentsError, PipelineError
from ml_pipeline.documents.promotion import Promotion
from ml_pipeline.documents.reader import Document, kind_of
from ml_pipeline.documents.receipts import DataVersion, Run
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.environments.embedded.observe import find_state
from ml_pipeline.layout import is_listed, maker_of
from ml_pipeline.operations.registry import login, tracking_uri
from ml_pipeline.operations.workspace import open_branch

_RUN = re.compile(r"([^/]+)/([0-9a-f]{10})")
_ID = re.compile(r"(?:data[-/])?([0-9a-f]{10})")
_FOLLOWS: dict[type[Document] | None, str] = {
    Experiment: "it trains no more; the receipts that it has stay",
    Run: "it is settled anew: its Job finds what it has finished and says so again, else it trains again",
    DataVersion: "it is settled anew: its Job finds what it has prepared and says so again, else it is prepared again",
    None: "nothing else changes",
}


def withdraw(
    repo: Path, what: str, *, environment: str = "local", remote: str | None = None
) -> int:
    """Remove a path of the branch, the receipt of a run `experiment/id`, or of data by its id, in one commit."""
    workspace = open_branch(repo, remote, environment=environment)
    path = _path(workspace.snapshot, what)
    follows = _FOLLOWS[kind_of(path)]
    document = _readable(workspace.snapshot, path)
    if _has_failed(document):
        follows = "it is done again, as long as an experiment asks for it"

    def plan(revision: str) -> tuple[Changes, str]:
        snapshot = Snapshot(workspace.repository.read(revision))
        delete = _with_overlays(snapshot, path) if path in snapshot.files else frozenset()
        return Changes({}, delete), f"Withdraw {what}\n\nFrom now on {follows}.\n"

    _refuse_served(workspace.snapshot, path)
    if isinstance(document, Run | DataVersion) and document.tracking and _has_failed(document):
        # Else its Job would find that run, be done at once, and the same nonsense would be recorded again.
        _forget(repo, workspace.snapshot, document.environment, document.tracking.run_id)
    revision = workspace.repository.propose(plan)
    if revision is None:
        raise PipelineError(f"{path} is not on the branch any more; nothing was changed")
    console.result(f"withdrew {path} as {revision[:10]}; {follows}")
    return console.OK


def _path(snapshot: Snapshot, what: str) -> str:
    """The path that is meant.

    Raises:
        PipelineError: there is none, or it is not to be withdrawn.
    """
    path = what.removeprefix("./")
    if path in snapshot.files:
        _refuse_others(path)
        return path
    run, short = _RUN.fullmatch(what), _ID.fullmatch(what)
    if run and f"experiments/{run[1]}/runs/{run[2]}.yaml" in snapshot.files:
        return f"experiments/{run[1]}/runs/{run[2]}.yaml"
    receipts = snapshot.paths.get(DataVersion, []) + snapshot.paths.get(Run, [])
    found = [p for p in receipts if short and p.endswith(f"/{short[1]}.yaml")]
    if len(found) > 1:
        raise PipelineError(f"{what!r} is ambiguous; give the path: {', '.join(found)}")
    if not found:
        raise PipelineError(
            f"{what!r} is nothing on the branch; give a path, a run as experiment/id, or the id of data"
        )
    return found[0]


def _refuse_others(path: str) -> None:
    kind = kind_of(path)
    if kind is Promotion:
        _, environment, _, name = path.split("/")
        raise PipelineError(
            f"{path}: is a promotion; take it back with "
            f"`ml-pipeline rollback {name.removesuffix('.yaml')} --env {environment}`"
        )
    if kind not in _FOLLOWS or not is_listed(path) or path.startswith("environments/"):
        raise PipelineError(
            f"{path}: is no experiment and no receipt; revert its commit, `git log -1 -- {path}`"
        )


def _refuse_served(snapshot: Snapshot, path: str) -> None:
    """A run that a promotion names has to stay: what serves is read from its receipt."""
    if kind_of(path) is not Run:
        return
    _, experiment, _, name = path.split("/")
    reference = f"{experiment}/{name.removesuffix('.yaml')}"
    for promotion in snapshot.paths.get(Promotion, []):
        if reference.encode() in snapshot.files[promotion]:  # also where it cannot be read
            raise PipelineError(
                f"{path}: is named by {promotion}; roll that back first, or restore the receipt from git"
            )


def _with_overlays(snapshot: Snapshot, path: str) -> frozenset[str]:
    """A file and, of an experiment, the overlays of its runs."""
    if kind_of(path) is not Experiment:
        return frozenset({path})
    name = path.split("/")[1]
    overlays = (other for other in snapshot.files if maker_of(other) == name)
    return frozenset({path, *overlays})


def _readable(snapshot: Snapshot, path: str) -> Document | None:
    try:
        return snapshot.document(path)
    except InvalidDocumentsError:
        return None


def _has_failed(document: Document | None) -> bool:
    if isinstance(document, Run):
        return document.outcome == "failed"
    return isinstance(document, DataVersion) and document.data is None


def _forget(repo: Path, snapshot: Snapshot, environment: str, run_id: str) -> None:
    """Have MLflow forget a run that is marked as finished and left nothing of use.

    Raises:
        UnavailableError: MLflow does not answer; nothing is changed then.
    """
    facts = snapshot.environments[environment]
    state = find_state(repo) if facts.runtime == "embedded" else None
    tracking = Tracking(tracking_uri(facts, state), login(facts, state))
    try:
        tracking.delete(run_id)
    except RefusedError:
        console.talk(f"MLflow knows no run {run_id} any more; going on")
