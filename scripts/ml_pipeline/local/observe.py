"""What the embedded environment shows to `reconcile` and `status`: its state files and its MLflow, read only."""

from pathlib import Path
from typing import Any

from ml_pipeline.adapters.mlflow import Tracking
from ml_pipeline.documents.faults import PipelineError, UnavailableError
from ml_pipeline.local.state import State
from ml_pipeline.rules.observed import Observed
from ml_pipeline.rules.overlays import LABEL_DATA, LABEL_RUN


def find_state(repo: Path) -> State:
    """State folder of the embedded environment of a checkout.

    Raises:
        PipelineError: it was never started.
    """
    state = State(repo.resolve() / ".ml-pipeline")
    if not state.origin.exists():
        raise PipelineError(
            f"no embedded environment in {state.root}; start it with `ml-pipeline up`"
        )
    return state


def observe(state: State, environment: str, awaited: set[str]) -> Observed:
    """Results of awaited identities, failed Jobs, serving; what cannot be read is held and named."""
    held: list[str] = []
    results: dict[str, dict[str, Any]] = {}
    try:
        results = Tracking(tracking_uri(state)).results(awaited)
    except UnavailableError as error:
        held.append(str(error))
    return Observed(environment, results, failed_jobs(state), served(state), held=tuple(held))


def served(state: State) -> dict[str, dict[str, Any]]:
    """What each model serves and what was measured of it."""
    found = {model: state.read(f"serving/{model}") for model in state.names("serving")}
    return {model: record for model, record in found.items() if record}


def tracking_uri(state: State) -> str:
    """Address of MLflow on this machine."""
    endpoints = state.read("endpoints")
    if endpoints is None:
        raise UnavailableError("the embedded environment is not up; start it with `ml-pipeline up`")
    return f"http://127.0.0.1:{endpoints['mlflow']}"


def failed_jobs(state: State) -> dict[str, str]:
    """Reasons of failed Jobs by the short identity of what they were to do."""
    failed = {}
    for name in state.names("jobs"):
        record = state.read(f"jobs/{name}")
        labels = record["manifest"]["metadata"]["labels"] if record else {}
        identity = labels.get(LABEL_RUN) or labels.get(LABEL_DATA)
        if record and record["phase"] == "Failed" and identity:
            failed[identity] = f"{record['reason']}: {record['message']}"
    return failed
