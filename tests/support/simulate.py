"""Stands in for an environment in unit tests: it finishes whatever is awaited. tests/support/environment.py
holds the real one."""

import hashlib
import json
import re

from ml_pipeline.adapters.metrics import Counters
from ml_pipeline.documents.changes import applied
from ml_pipeline.documents.results import Finished, TerminationMessage
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.environments.embedded.observe import Observer, failed_jobs, served
from ml_pipeline.environments.embedded.records import evidence_json
from ml_pipeline.environments.embedded.windows import step_evidence
from ml_pipeline.rules.automation.branch import Branch
from ml_pipeline.rules.automation.observed import Observed
from ml_pipeline.rules.automation.plan import plan
from ml_pipeline.rules.identity.hashes import data_identity
from ml_pipeline.rules.identity.served import serving_of
from ml_pipeline.rules.rollout.latency import Latency

PREPARED = {
    "data": {"uri": "data/x.npz", "sha256": "c" * 64, "bytes": 10},
    "rows": 1797,
    "holdout_rows": 359,
    "shape": [1, 8, 8],
    "classes": 10,
    "columns": [
        {"name": "pixel", "dtype": "float32", "min": 0.0, "max": 16.0, "mean": 4.9, "std": 6.0}
    ],
}


def trained(identity: str, accuracy: float = 0.98) -> dict:
    """What the trainer leaves in MLflow for a run."""
    return {
        "metrics": {"gate_accuracy": accuracy, "gate_latency_p99_ms": 0.1, "gate_memory_mb": 480.0},
        "signature": {"inputs": "float32 [-1, 1, 8, 8]", "outputs": "float32 [-1, 10]"},
        "artifact": {
            "uri": f"mlflow/1/models/m-{identity[:6]}/artifacts",
            "sha256": identity,
            "bytes": 5000,
        },
        "started": "2026-01-01T00:00:00Z",
        "duration_s": 60.0,
    }


def moved(files, environment="staging"):
    """The tree after the experiment that waits has moved to another environment and its data was prepared there."""
    path = "experiments/waiting/experiment.yaml"
    text = files[path].decode().replace("environment: local", f"environment: {environment}")
    files = {**files, path: text.replace("max_cost: 0.05", "max_cost: 50").encode()}
    identity = data_identity(load_snapshot(files).experiments["waiting"])
    (old,) = (p for p in files if p.startswith("experiments/better/data/"))
    known = old.rpartition("/")[2].removesuffix(".yaml")
    receipt = re.sub(rb"identity: .*", f"identity: {identity}".encode(), files[old])
    receipt = receipt.replace(known.encode(), f"'{identity[:10]}'".encode())
    receipt = receipt.replace(b"environment: local", f"environment: {environment}".encode())
    return {**files, f"experiments/waiting/data/{identity[:10]}.yaml": receipt}


def finished(receipt, identity: str = "a" * 64) -> Finished:
    """What a pod has left in MLflow and said so, with this receipt: bytes as they are, other data as JSON."""
    raw = receipt if isinstance(receipt, bytes) else json.dumps(receipt).encode()
    return Finished(word(raw, identity), raw, ("mlflow/1/models",))


def word(receipt: bytes, identity: str = "a" * 64) -> TerminationMessage:
    """What a pod says of a receipt."""
    digest = hashlib.sha256(receipt).hexdigest()
    return TerminationMessage(identity=identity, mlflow_run="1" * 32, receipt_sha256=digest)


def observed(files, environment="local", **more) -> Observed:
    """Results for everything that is awaited."""
    snapshot = load_snapshot(files)
    data = {data_identity(e) for e in snapshot.experiments.values()}
    results = {
        i: finished(PREPARED if i in data else trained(i))
        for i in Branch(snapshot).awaited(environment)
    }
    return Observed(environment, results=results, **more)


def spoken(receipt_of):
    """`look` of an embedded environment in which a pod has spoken of whatever is awaited: of its receipt, by identity."""

    def look(observer: Observer, awaited: set[str]) -> Observed:
        results = {i: finished(receipt_of(i), i) for i in awaited}
        state = observer.state
        return Observed(observer.environment, results, failed_jobs(state), served(state))

    return look


def settle(files, environment="local"):
    """The tree after everything awaited has finished."""
    while steps := plan(load_snapshot(files), observed(files, environment)):
        for step in steps:
            files = applied(files, step.changes)
    return files


def serving_status(files, model="digits", environment="local", requests=1000, errors=0) -> dict:
    """A status file of the embedded environment that serves what is declared, all predictors alike."""
    serving = serving_of(load_snapshot(files), environment, model)
    counted = Counters(requests - errors, errors, 0, Latency({5.0: requests - errors}))
    evidence = [evidence_json(step_evidence(r, w, counted)) for r, w in serving.weights.items()]
    return {"rollout": serving.rollout, "routed": dict(serving.weights), "evidence": evidence}
