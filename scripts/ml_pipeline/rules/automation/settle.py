"""From what has finished or failed to its receipt in git.

What a Job left behind is text from outside: where it makes no sense, that is how the run has failed, and the receipt says so.
Only what the Job's own pod vouches for comes here (`rules/automation/termination.py`).
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
    Cost,
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
from ml_pipeline.layout import SHORT
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


def settle(
    snapshot: Snapshot,
    experiment: Experiment,
    identity: str,
    *,
    observed: Observed,
    history: History,
) -> Settled | None:
    """The receipt of the data or run that an experiment waits for, None while it has neither finished nor failed.

    A failed Job settles nothing while MLflow does not show what a pod of it has said to be there: that counts, not its end.
    """
    finished = observed.results.get(identity)
    reason = observed.failed.get(identity[:SHORT])
    if finished is None and (reason is None or identity in observed.unknown):
        return None
    if identity == data_identity(experiment):
        return _data_receipt(experiment, identity, finished, reason or "")
    return _run_receipt(_Ended(snapshot, experiment, identity, observed, history), reason or "")


def _data_receipt(
    experiment: Experiment, identity: str, finished: Finished | None, reason: str
) -> Settled:
    head: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "DataVersion",
        "id": identity[:SHORT],
        "identity": identity,
        "environment": experiment.environment,
        "source": experiment.dataset.uri,
        "image": experiment.image,
    }
    path = f"experiments/{experiment.name}/data/{identity[:SHORT]}.yaml"

    def failed(problem: str) -> DataVersion:
        tracking = _tracked(finished, PREPARATIONS)
        return DataVersion(**head, data=None, reason=_failure(problem), tracking=tracking)

    result = _prepared(finished) if finished else reason
    document = (
        failed(result)
        if isinstance(result, str)
        else DataVersion.model_validate({**result.model_dump(), **head})
    )
    document, raw = _as_written(path, document, failed)
    if document.data is None:
        return Settled(
            path, document, raw, f"Record failed data {document.id}", _again(document.reason)
        )
    text = f"{document.rows} rows of {document.source} prepared, sha256 {document.data.sha256}."
    return Settled(path, document, raw, f"Record data {document.id}", text)


def _prepared(finished: Finished) -> PreparationResult | str:
    """What was prepared, or what is wrong with it: prepared data has a folder of its own in the artifact store."""
    result = read_result(PreparationResult, finished)
    if isinstance(result, str) or result.data.uri.startswith("data/"):
        return result
    return f"receipt.json of MLflow run {finished.run_id}: data.uri: {shown(result.data.uri)} must lie below data/"


@dataclass(frozen=True)
class _Ended:
    """A run that has ended, and what its receipt is made from."""

    snapshot: Snapshot
    experiment: Experiment
    identity: str
    observed: Observed
    history: History


def _run_receipt(ended: _Ended, reason: str) -> Settled:
    experiment, observed = ended.experiment, ended.observed
    inputs = run_inputs_of(ended.snapshot, experiment)
    assert inputs is not None
    assert run_identity(inputs) == ended.identity
    short = ended.identity[:SHORT]
    head: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "Run",
        "id": short,
        "identity": ended.identity,
        "decided_by": inputs,
        "experiment": experiment.name,
        "model": experiment.model.name,
        "environment": experiment.environment,
        "commit": observed.commits.get(f"experiments/{experiment.name}/experiment.yaml", "unknown"),
    }
    finished = observed.results.get(ended.identity)
    head["tracking"] = _tracked(finished, experiment.model.name)
    path = f"experiments/{experiment.name}/runs/{short}.yaml"

    def failed(problem: str) -> Run:
        return Run(**head, outcome="failed", reason=_failure(problem))

    result = read_result(TrainingResult, finished) if finished else reason
    document = failed(result) if isinstance(result, str) else Run(**head, **_outcome(ended, result))
    document, raw = _as_written(path, document, failed)
    name = f"{experiment.name}/{short}"
    if document.outcome == "failed":
        return Settled(path, document, raw, f"Record failed run {name}", _again(document.reason))
    lacking = failures(document.gates)
    verdict = f"Gates failed: {'; '.join(lacking)}." if lacking else "All gates passed."
    tracked = document.tracking.run_id if document.tracking else ""
    text = f"{verdict} Trained {document.duration_s:g} s as MLflow run {tracked}."
    return Settled(path, document, raw, f"Record run {name}", text)


def _outcome(ended: _Ended, result: TrainingResult) -> dict[str, Any]:
    snapshot, experiment = ended.snapshot, ended.experiment
    cost: Cost | None = run_cost(
        experiment, snapshot.environments[experiment.environment], result.duration_s
    )
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
        "queued_s": _waited(ended.observed.requested.get(ended.identity[:SHORT]), result.started),
        "peak_memory_mb": result.peak_memory_mb,
        "held": Held(
            cpu=wanted.cpu, memory=wanted.memory, gpus=wanted.gpus, options=experiment.options
        ),
        "cost": cost,
        "estimate": price.as_receipt() if price else None,
    }


def _signature(told: bool | SignatureResult | None) -> Signature | None:
    """What a result says of the model's signature; older ones say only whether there is one."""
    return Signature(**told.model_dump()) if isinstance(told, SignatureResult) else None


def _as_written(
    path: str, document: Receipt, failed: Callable[[str], Receipt]
) -> tuple[Receipt, bytes]:
    """A receipt as readers will see it: one that they would refuse is that of a failure, which says why."""
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
    return known if problem.count(";") else f"{known}; correct experiment or data and submit again"


def _again(reason: str | None) -> str:
    return f"{reason}\n\nTake the receipt out with `ml-pipeline withdraw` to have it done again."


def _waited(asked: str | None, started: str) -> float:
    """Seconds between two points in time; 0 where the first is not known, or the clocks disagree."""
    if asked is None:
        return 0.0
    return max(
        (datetime.fromisoformat(started) - datetime.fromisoformat(asked)).total_seconds(), 0.0
    )
