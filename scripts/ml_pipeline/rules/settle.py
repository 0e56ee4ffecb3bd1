"""From what has finished or failed to its receipt in git, with the overlays that follow."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.fields import API_VERSION
from ml_pipeline.documents.receipts import Cost, DataVersion, Held, Run, Signature, Stored, Tracked
from ml_pipeline.documents.snapshot import Snapshot, load_snapshot
from ml_pipeline.documents.writer import to_document
from ml_pipeline.rules.cost import run_cost
from ml_pipeline.rules.estimate import History, priced
from ml_pipeline.rules.gates import failures, judge
from ml_pipeline.rules.identity import SHORT, data_identity, run_identity, run_inputs
from ml_pipeline.rules.observed import Observed, Step
from ml_pipeline.rules.render import Changes, applied, drift
from ml_pipeline.rules.serving import opened_rollouts
from ml_pipeline.rules.training import pending


def settle(snapshot: Snapshot, experiment: Experiment, observed: Observed) -> Step | None:
    """The receipt of an experiment's data or run, if it has finished or failed, with the overlays that follow."""
    identity = pending(snapshot, experiment)
    if identity is None:
        return None
    is_data = identity == data_identity(experiment)
    result, reason = observed.results.get(identity), observed.failed.get(identity[:SHORT])
    if result is None and reason is None:
        return None
    path, document = (_data_receipt if is_data else _run_receipt)(
        snapshot, experiment, identity, observed
    )
    write = {path: to_document(path, document)}
    if isinstance(document, Run) and document.outcome == "succeeded":
        write |= opened_rollouts(snapshot, document.model)
    changes = Changes(write)
    return Step(
        changes | training_drift(after(snapshot, changes), observed.environment),
        *_words(experiment, document),
    )


def _data_receipt(
    _: Snapshot, experiment: Experiment, identity: str, observed: Observed
) -> tuple[str, DataVersion]:
    result = observed.results.get(identity)
    head = {
        "id": identity[:SHORT],
        "identity": identity,
        "environment": experiment.environment,
        "source": experiment.dataset.uri,
        "image": experiment.image,
    }
    known = (
        {"data": None, "reason": observed.failed.get(identity[:SHORT])}
        if result is None
        else _only(DataVersion, result)
    )
    document = DataVersion.model_validate(
        {"apiVersion": API_VERSION, "kind": "DataVersion", **head, **known}, strict=False
    )
    return f"experiments/{experiment.name}/data/{identity[:SHORT]}.yaml", document


def _run_receipt(
    snapshot: Snapshot, experiment: Experiment, identity: str, observed: Observed
) -> tuple[str, Run]:
    data = snapshot.data[data_identity(experiment)].data
    assert data is not None
    inputs = run_inputs(experiment, data.sha256)
    assert run_identity(inputs) == identity
    source = f"experiments/{experiment.name}/experiment.yaml"
    head: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "Run",
        "id": identity[:SHORT],
        "identity": identity,
        "decided_by": inputs,
        "experiment": experiment.name,
        "model": experiment.model.name,
        "environment": experiment.environment,
        "commit": observed.commits.get(source, "unknown"),
    }
    path = f"experiments/{experiment.name}/runs/{identity[:SHORT]}.yaml"
    result = observed.results.get(identity)
    if result is None:
        return path, Run(**head, outcome="failed", reason=observed.failed[identity[:SHORT]])
    return path, Run(
        **head, **_outcome(snapshot, experiment, result, observed.asked.get(identity[:SHORT]))
    )


def _outcome(
    snapshot: Snapshot, experiment: Experiment, result: Mapping[str, Any], asked: str | None
) -> dict[str, Any]:
    duration = float(result["duration_s"])
    cost: Cost | None = run_cost(
        experiment, snapshot.environments[experiment.environment], duration
    )
    price = priced(snapshot, History(snapshot), experiment)
    wanted = experiment.resources
    return {
        "outcome": "succeeded",
        "tracking": Tracked(run_id=result["run_id"], experiment=result["experiment"]),
        "metrics": {name: float(value) for name, value in sorted(result["metrics"].items())},
        "limits": experiment.gates,
        "gates": judge(experiment.gates, result["metrics"], signature=bool(result["signature"])),
        "artifact": Stored(**result["artifact"]),
        "signature": _signature(result["signature"]),
        "started": result["started"],
        "duration_s": duration,
        "queued_s": _waited(asked, result["started"]),
        "peak_memory_mb": result.get("peak_memory_mb"),
        "held": Held(
            cpu=wanted.cpu, memory=wanted.memory, gpus=wanted.gpus, options=experiment.options
        ),
        "cost": cost,
        "estimate": price.as_receipt() if price else None,
    }


def _signature(told: bool | Mapping[str, str] | None) -> Signature | None:
    """What a result says of the model's signature; older ones say only whether there is one."""
    return Signature(**told) if isinstance(told, Mapping) else None


def _waited(asked: str | None, started: str) -> float:
    """Seconds between two points in time; 0 where the first is not known, or the clocks disagree."""
    if asked is None:
        return 0.0
    return max(
        (datetime.fromisoformat(started) - datetime.fromisoformat(asked)).total_seconds(), 0.0
    )


def _words(experiment: Experiment, document: DataVersion | Run) -> tuple[str, str]:
    if isinstance(document, DataVersion):
        if document.data is None:
            return (
                f"Record failed data {document.id}",
                f"{document.reason}\n\nRemove the receipt to have it prepared again.",
            )
        return (
            f"Record data {document.id}",
            f"{document.rows} rows of {document.source} prepared, sha256 {document.data.sha256}.",
        )
    name = f"{experiment.name}/{document.id}"
    if document.outcome == "failed":
        return (
            f"Record failed run {name}",
            f"{document.reason}\n\nRemove the receipt to have it trained again.",
        )
    failed = failures(document.gates)
    verdict = f"Gates failed: {'; '.join(failed)}." if failed else "All gates passed."
    return (
        f"Record run {name}",
        f"{verdict} Trained {document.duration_s:g} s as MLflow run {document.tracking.run_id if document.tracking else ''}.",
    )


def training_drift(snapshot: Snapshot, environment: str) -> Changes:
    """Drift of this environment's training overlays alone: serving overlays belong to people's commits."""
    changes, folder = drift(snapshot), f"environments/{environment}/training/"
    return Changes(
        {p: raw for p, raw in changes.write.items() if p.startswith(folder)},
        frozenset(p for p in changes.delete if p.startswith(folder)),
    )


def after(snapshot: Snapshot, changes: Changes) -> Snapshot:
    """The documents of the tree that a commit leaves."""
    return load_snapshot(applied(dict(snapshot.files), changes))


def _only(kind: type[DataVersion], values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in kind.model_fields}
