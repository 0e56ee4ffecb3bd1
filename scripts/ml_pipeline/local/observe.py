"""What the embedded environment shows to `reconcile` and `status`: its state files and its MLflow, read only."""

from pathlib import Path
from typing import Any

from ml_pipeline.adapters.mlflow import Look, Tracking
from ml_pipeline.documents.faults import PipelineError, UnavailableError
from ml_pipeline.local.state import State
from ml_pipeline.rules.observed import Hold, Observed
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


class Observer:
    """Looks at the embedded environment, and remembers between two looks what MLflow has said for good."""

    def __init__(self, state: State, environment: str) -> None:
        self.state, self.environment = state, environment
        self._tracking: Tracking | None = None

    def look(self, awaited: set[str]) -> Observed:
        """Results of awaited identities, failed Jobs, serving; what cannot be read is held and named."""
        # Failed Jobs first: whatever a Job has left in MLflow was there before it failed, so that it is seen afterwards.
        failed = failed_jobs(self.state)
        try:
            found = self._mlflow().look(awaited, failed)
        except UnavailableError as error:
            found = Look({}, frozenset(awaited), (Hold("MLflow", str(error)),))
        return Observed(
            self.environment,
            found.results,
            failed,
            served(self.state),
            unknown=found.unknown,
            held=found.held,
        )

    def _mlflow(self) -> Tracking:
        """MLflow at its present address."""
        uri = tracking_uri(self.state)
        if self._tracking is None or self._tracking.uri != uri:
            self._tracking = Tracking(uri)
        return self._tracking


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
