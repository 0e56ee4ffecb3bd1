"""From what has finished or failed to its receipt in git.

What a Job left behind is text from outside: where it makes no sense, that is how the run has
failed, and the receipt says so. Only what the Job's own pod vouches for comes here
(`rules/automation/termination.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from ml_pipeline.documents.escape import shown
from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.fields import API_VERSION, one_line
from ml_pipeline.documents.reader import read
from ml_pipeline.documents.receipts import (
    DataVersion,
    Held,
    Run,
    Signature,
    Stored,
    Tracked,
)
from ml_pipeline.documents.results import (
    Finished,
    PreparationResult,
    SignatureResult,
    TrainingResult,
    read_result,
)
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.documents.writer import to_document
from ml_pipeline.layout import SHORT, data_path, experiment_path, run_path
from ml_pipeline.rules.automation.observed import Observed
from ml_pipeline.rules.identity.awaited import run_inputs_of
from ml_pipeline.rules.identity.hashes import data_identity, run_identity
from ml_pipeline.rules.money.estimates import History, priced
from ml_pipeline.rules.money.prices import run_cost
from ml_pipeline.rules.rollout.gates import failures, judge

Receipt = TypeVar("Receipt", DataVersion, Run)
PREPARATIONS = "data"  # the experiment in MLflow that the trainer makes for them
_PROBLEM = 300  # characters of a reason that are kept, so that the repair after it has room


@dataclass(frozen=True)
class Settled:
    """A receipt as it is committed, with the words of its commit."""

    path: str
    document: DataVersion | Run
    raw: bytes
    subject: str
    reason: str


@dataclass(frozen=True)
class _Ended:
    """Data or a run that has ended, and what its receipt is made from."""

    snapshot: Snapshot
    experiment: Experiment
    identity: str
    observed: Observed
    history: History

    @property
    def short(self) -> str:
        return self.identity[:SHORT]

    @property
    def finished(self) -> Finished | None:
        """What it has left, None where it has failed."""
        return self.observed.results.get(self.identity)

    @property
    def reason(self) -> str:
        """Why it has failed."""
        return self.observed.failed.get(self.short, "")


def settle(
    snapshot: Snapshot,
    experiment: Experiment,
    identity: str,
    *,
    observed: Observed,
    history: History,
) -> Settled | None:
    """The receipt of the data or run that an experiment waits for, None while it has neither
    finished nor failed."""
    ended = _Ended(snapshot, experiment, identity, observed, history)
    # While MLflow does not show what a pod has said to be there, that counts, and not that a Job of
    # it has failed.
    has_failed = ended.short in observed.failed and identity not in observed.unknown
    if ended.finished is None and not has_failed:
        return None
    if identity == data_identity(experiment):
        return _data_receipt(ended)
    return _run_receipt(ended)


def _data_receipt(ended: _Ended) -> Settled:
    experiment = ended.experiment
    head: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "DataVersion",
        "id": ended.short,
        "identity": ended.identity,
        "environment": experiment.environment,
        "source": experiment.dataset.uri,
        "image": experiment.image,
    }

    def failed(problem: str) -> DataVersion:
        tracking = _tracked(ended.finished, PREPARATIONS)
        return DataVersion(**head, data=None, reason=_failure(problem), tracking=tracking)

    result = _prepared(ended.finished) if ended.finished else ended.reason
    document = (
        failed(result)
        if isinstance(result, str)
        else DataVersion.model_validate({**result.model_dump(), **head})
    )
    path = data_path(experiment.name, ended.identity)
    document, raw = _as_written(path, document, failed)
    if document.data is None:
        subject = f"Record failed data {document.id}"
        return Settled(path, document, raw, subject, _again(document.reason))
    text = f"{document.rows} rows of {document.source} prepared, sha256 {document.data.sha256}."
    return Settled(path, document, raw, f"Record data {document.id}", text)


def _prepared(finished: Finished) -> PreparationResult | str:
    """What was prepared, or what is wrong with it: prepared data has a folder of its own in the
    artifact store."""
    result = read_result(PreparationResult, finished)
    if isinstance(result, str) or result.data.uri.startswith("data/"):
        return result
    return (
        f"receipt.json of MLflow run {finished.run_id}: data.uri: {shown(result.data.uri)} "
        "must lie below data/"
    )


def _run_receipt(ended: _Ended) -> Settled:
    experiment = ended.experiment
    inputs = run_inputs_of(ended.snapshot, experiment)
    # What is recorded as having decided the run is what its identity is the hash of.
    assert inputs is not None
    assert run_identity(inputs) == ended.identity
    commits = ended.observed.commits
    head: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "Run",
        "id": ended.short,
        "identity": ended.identity,
        "decided_by": inputs,
        "experiment": experiment.name,
        "model": experiment.model.name,
        "environment": experiment.environment,
        "commit": commits.get(experiment_path(experiment.name), "unknown"),
        "tracking": _tracked(ended.finished, experiment.model.name),
    }

    def failed(problem: str) -> Run:
        return Run(**head, outcome="failed", reason=_failure(problem))

    result = read_result(TrainingResult, ended.finished) if ended.finished else ended.reason
    document = failed(result) if isinstance(result, str) else Run(**head, **_outcome(ended, result))
    path = run_path(experiment.name, ended.identity)
    document, raw = _as_written(path, document, failed)
    name = f"{experiment.name}/{ended.short}"
    if document.outcome == "failed":
        subject = f"Record failed run {name}"
        return Settled(path, document, raw, subject, _again(document.reason))
    return Settled(path, document, raw, f"Record run {name}", _told_of(document))


def _told_of(run: Run) -> str:
    """Why a run is recorded as succeeded, in its commit."""
    lacking = failures(run.gates)
    verdict = f"Gates failed: {'; '.join(lacking)}." if lacking else "All gates passed."
    tracked = run.tracking.run_id if run.tracking else ""
    return f"{verdict} Trained {run.duration_s:g} s as MLflow run {tracked}."


def _outcome(ended: _Ended, result: TrainingResult) -> dict[str, Any]:
    """What a receipt says of a run that has succeeded."""
    snapshot, experiment = ended.snapshot, ended.experiment
    environment = snapshot.environments[experiment.environment]
    price = priced(snapshot, ended.history, experiment)
    wanted = experiment.resources
    return {
        "outcome": "succeeded",
        "metrics": dict(sorted(result.metrics.items())),
        "limits": experiment.gates,
        "gates": judge(experiment.gates, result.metrics, signature=bool(result.signature)),
        "artifact": Stored(**result.artifact.model_dump()),
        "signature": _signature(result.signature),
        "started": result.started,
        "duration_s": result.duration_s,
        "queued_s": _waited(ended.observed.requested.get(ended.short), result.started),
        "peak_memory_mb": result.peak_memory_mb,
        "held": Held(
            cpu=wanted.cpu, memory=wanted.memory, gpus=wanted.gpus, options=experiment.options
        ),
        "cost": run_cost(experiment, environment, result.duration_s),
        "estimate": price.as_receipt() if price else None,
    }


def _signature(signature: bool | SignatureResult | None) -> Signature | None:
    """What a result says of the model's signature; older ones say only whether there is one."""
    if isinstance(signature, SignatureResult):
        return Signature(**signature.model_dump())
    return None


def _as_written(
    path: str, document: Receipt, failed: Callable[[str], Receipt]
) -> tuple[Receipt, bytes]:
    """A receipt as readers will see it: one that they would refuse is that of a failure, which says
    why."""
    raw = to_document(path, document)
    again = read(path, raw)
    if not isinstance(again, list):
        return document, raw
    document = failed(f"its receipt cannot be kept: {again[0].key or 'the file'} {again[0].text}")
    return document, to_document(path, document)


def _tracked(finished: Finished | None, experiment: str) -> Tracked | None:
    """The MLflow run, in the experiment that the trainer makes for a model, or for data."""
    return Tracked(run_id=finished.run_id, experiment=experiment) if finished else None


def _failure(problem: str) -> str:
    """Why something failed, as a receipt keeps it."""
    known = one_line(problem, _PROBLEM) or "ended without a reason"
    # What has a semicolon names its own repair after it.
    return known if ";" in problem else f"{known}; correct experiment or data and submit again"


def _again(reason: str | None) -> str:
    return f"{reason}\n\nTake the receipt out with `ml-pipeline withdraw` to have it done again."


def _waited(requested: str | None, started: str) -> float:
    """Seconds between two points in time; 0 where the first is not known, or the clocks disagree:
    one is of whoever committed, the other of the pod."""
    if requested is None:
        return 0.0
    waited = datetime.fromisoformat(started) - datetime.fromisoformat(requested)
    return max(waited.total_seconds(), 0.0)
