"""What the embedded environment shows to `reconcile` and `status`: its state files and its MLflow, read only."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ml_pipeline.adapters.mlflow.tracking import Look, Tracking
from ml_pipeline.documents.faults import PipelineError, UnavailableError
from ml_pipeline.environments.embedded.state import State, read_json
from ml_pipeline.rules.automation.observed import Hold, Observed, ObservedJob, PodEnd
from ml_pipeline.rules.automation.termination import read_messages, verify
from ml_pipeline.rules.render.overlays import LABEL_DATA, LABEL_RUN


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
        messages = read_messages(seen_jobs(self.state), awaited)
        try:
            found = self._mlflow().look(messages.by_identity) if messages.newest else Look({})
        except UnavailableError as error:
            found = Look({}, held=(Hold("MLflow", str(error)),))
        verified = verify(messages, found.results, found.refused)
        return Observed(
            self.environment,
            verified.results,
            failed_jobs(self.state),
            served(self.state),
            unknown=verified.unknown,
            holds=(*found.held, *verified.holds),
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


def seen_jobs(state: State) -> list[ObservedJob]:
    """Jobs with the pods of theirs that have ended, as `rules/automation/termination.py` takes them."""
    records = (state.read(f"jobs/{name}") for name in state.names("jobs"))
    return [_seen(state, record) for record in records if record and _identity(record)]


def failed_jobs(state: State) -> dict[str, str]:
    """Reasons of failed Jobs by the short identity of what they were to do."""
    failed = {}
    for name in state.names("jobs"):
        record = state.read(f"jobs/{name}")
        if record and record["phase"] == "Failed" and _identity(record):
            failed[_identity(record)] = f"{record['reason']}: {record['message']}"
    return failed


def _identity(record: dict[str, Any]) -> str:
    labels = record["manifest"]["metadata"]["labels"]
    return labels.get(LABEL_RUN) or labels.get(LABEL_DATA) or ""


def _seen(state: State, record: dict[str, Any]) -> ObservedJob:
    """A Job as `rules/automation/termination.py` takes it. The supervisor makes one whose record is removed again."""
    name = record["name"]
    again = f"remove its record with `rm {state.root.name}/jobs/{name}.json`: the next one says again what has finished"
    tries = range(1, record.get("attempt", 0) + 1)
    pods = (read_json(state.pod(f"{name}-{number}") / "status.json") for number in tries)
    return ObservedJob(
        name,
        _identity(record),
        record["phase"] == "Complete",
        _since(record),
        again,
        tuple(
            PodEnd(pod["exit_code"], pod.get("message", ""))
            for pod in pods
            if pod and pod["phase"] == "Ended"
        ),
    )


def _since(record: dict[str, Any]) -> str:
    """When a Job ended, empty where it has not."""
    if record["phase"] not in ("Complete", "Failed"):
        return ""
    return datetime.fromtimestamp(record.get("finished", 0), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
