"""Take a document or a receipt out of the branch, even where nobody can read it."""

import re
from dataclasses import dataclass
from pathlib import Path

from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.adapters.mlflow.server import RefusedError
from ml_pipeline.adapters.mlflow.tracking import Tracking
from ml_pipeline.documents.changes import Changes
from ml_pipeline.documents.data_snapshot import DataSnapshot
from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.faults import InvalidDocumentsError, PipelineError
from ml_pipeline.documents.reader import Document, kind_of
from ml_pipeline.documents.receipts import DataVersion, Run
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.layout import (
    ENVIRONMENTS,
    is_listed,
    maker_of,
    owner_of,
    promotion_of,
    promotion_path,
    run_of,
    run_path,
    stem_of,
)
from ml_pipeline.operations import Talk, silent
from ml_pipeline.operations.runtime import open_runtime
from ml_pipeline.operations.workspace import open_branch
from ml_pipeline.rules.identity.served import promotions_naming, rollback_command

# The ten digits that name files; `data-...` is what status and Jobs call prepared data.
_RUN = re.compile(r"([^/]+)/([0-9a-f]{10})")
_ID = re.compile(r"(?:data[-/])?([0-9a-f]{10})")
_DONE_AGAIN = "it is done again, as long as an experiment asks for it"
_CONSEQUENCES: dict[type[Document] | None, str] = {
    Experiment: "it trains no more; the receipts that it has stay",
    Run: (
        "it is settled anew: its Job finds what it has finished and says so again, "
        "else it trains again"
    ),
    DataVersion: (
        "it is settled anew: its Job finds what it has prepared and says so again, "
        "else it is prepared again"
    ),
    DataSnapshot: (
        "its experiment trains on the newest state of its source that is left; "
        "the interval is never proposed again"
    ),
    None: "nothing else changes",
}


@dataclass(frozen=True)
class Withdrawal:
    """A path that is gone from the branch, the commit that took it, and what follows from that."""

    path: str
    revision: str
    consequence: str


def withdraw(
    repo: Path,
    what: str,
    *,
    environment: str = "local",
    remote: str | None = None,
    talk: Talk = silent,
) -> Withdrawal:
    """Remove a path of the branch, a run's receipt `experiment/id`, or that of data by its id.

    Raises:
        PipelineError: there is no such thing, or something on the branch needs it.
        UnavailableError: MLflow has to forget a run and does not answer; nothing is changed then.
    """
    workspace = open_branch(repo, remote, environment=environment)
    # Not one document has to be readable: a broken one is often what is to be withdrawn.
    snapshot = workspace.snapshot
    path = _path(snapshot, what)
    document = _readable(snapshot, path)
    consequence = _CONSEQUENCES[kind_of(path)]
    if _has_failed(document):
        consequence = _DONE_AGAIN
    _refuse_served(snapshot, path)
    if isinstance(document, Run | DataVersion) and document.tracking and _has_failed(document):
        # Before the receipt goes: else its Job would find that run, be done at once, and the same
        # nonsense would be recorded again.
        _forget(repo, snapshot, document.environment, document.tracking.run_id, talk)
    message = f"Withdraw {what}\n\nFrom now on {consequence}.\n"
    revision = _remove(workspace.repository, path, message)
    return Withdrawal(path, revision, consequence)


def _remove(repository: Repository, path: str, message: str) -> str:
    """The commit that takes a path out of the branch."""

    def plan(revision: str) -> tuple[Changes, str]:
        snapshot = Snapshot(repository.read(revision))
        delete = _with_overlays(snapshot, path) if path in snapshot.files else frozenset()
        return Changes({}, delete), message

    revision = repository.propose(plan)
    if revision is None:
        raise PipelineError(f"{path} is not on the branch any more; nothing was changed")
    return revision


def _path(snapshot: Snapshot, what: str) -> str:
    """The path that is meant.

    Raises:
        PipelineError: there is none, or it is not to be withdrawn.
    """
    path = what.removeprefix("./")
    if path in snapshot.files:
        _refuse_others(path)
        return path
    run = _RUN.fullmatch(what)
    if run and run_path(*run.groups()) in snapshot.files:
        return run_path(*run.groups())
    short = _ID.fullmatch(what)
    receipts = _receipts(snapshot, short[1]) if short else []
    if len(receipts) > 1:
        raise PipelineError(f"{what!r} is ambiguous; give the path: {', '.join(receipts)}")
    if not receipts:
        raise PipelineError(
            f"{what!r} is nothing on the branch; "
            "give a path, a run as experiment/id, or the id of data"
        )
    return receipts[0]


def _receipts(snapshot: Snapshot, short: str) -> list[str]:
    """Paths of all receipts with an id."""
    paths = snapshot.paths.get(DataVersion, []) + snapshot.paths.get(Run, [])
    return [path for path in paths if stem_of(path) == short]


def _refuse_others(path: str) -> None:
    """What has another way out, or is nobody's to take out by itself."""
    served = promotion_of(path)
    if served:
        raise PipelineError(f"{path}: is a promotion; take it back with {rollback_command(served)}")
    is_known = kind_of(path) in _CONSEQUENCES and is_listed(path)
    if not is_known or path.startswith(f"{ENVIRONMENTS}/"):
        raise PipelineError(
            f"{path}: is no experiment and no receipt; revert its commit, `git log -1 -- {path}`"
        )


def _refuse_served(snapshot: Snapshot, path: str) -> None:
    """A run that a promotion names has to stay: what serves is read from its receipt."""
    run = run_of(path)
    if run is None:
        return
    for served in promotions_naming(snapshot, run.reference):
        raise PipelineError(
            f"{path}: is named by {promotion_path(served.environment, served.model)}; roll that "
            f"back first with {rollback_command(served)}, or restore the receipt from git"
        )


def _with_overlays(snapshot: Snapshot, path: str) -> frozenset[str]:
    """A file and, of an experiment, the overlays of its runs."""
    if kind_of(path) is not Experiment:
        return frozenset({path})
    # In the same commit: without its experiment an overlay is one that nobody has rendered.
    name = owner_of(path)
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


def _forget(repo: Path, snapshot: Snapshot, environment: str, run_id: str, talk: Talk) -> None:
    """Have MLflow forget a run that is marked as finished and left nothing of use.

    Raises:
        UnavailableError: MLflow does not answer; nothing is changed then.
    """
    facts = snapshot.environments[environment]
    address = open_runtime(repo, environment, facts.runtime).mlflow(facts)
    tracking = Tracking(address.uri, address.login)
    try:
        tracking.delete(run_id)
    except RefusedError:
        # Somebody was faster: the receipt can go all the same.
        talk(f"MLflow knows no run {run_id} any more; going on")
