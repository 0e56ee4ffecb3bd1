"""What the embedded environment shows to `reconcile`: its state files and MLflow, read only."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from ml_pipeline.adapters import processes
from ml_pipeline.adapters.mlflow.tracking import Look, Tracking
from ml_pipeline.documents.faults import PipelineError, UnavailableError
from ml_pipeline.environments.embedded import records
from ml_pipeline.environments.embedded.records import JobRecord, SupervisorRecord
from ml_pipeline.environments.embedded.state import MARKER, State
from ml_pipeline.layout import STATE
from ml_pipeline.rules.automation.observed import Hold, Observed, ObservedJob, PodEnd
from ml_pipeline.rules.automation.termination import read_messages, verify
from ml_pipeline.rules.render.overlays import LABEL_DATA, LABEL_RUN
from ml_pipeline.rules.rollout.evidence import ServingStatus


def state_of(repo: Path) -> State:
    """The state folder that an embedded environment of a checkout has, or would have."""
    return State(repo.resolve() / STATE)


def find_state(repo: Path) -> State:
    """State folder of the embedded environment of a checkout.

    Raises:
        PipelineError: it was never started.
    """
    state = state_of(repo)
    if not state.origin.exists():
        raise PipelineError(
            f"no embedded environment in {state.root}; start it with `ml-pipeline up`"
        )
    return state


def running(state: State) -> SupervisorRecord | None:
    """The process of the environment, None if it is not up, or is told to end."""
    return _alive(state, records.supervisor(state))


def stopping(state: State) -> SupervisorRecord | None:
    """The process of an environment that is told to end, None once it has."""
    return _alive(state, records.stopping_supervisor(state))


def _alive(state: State, supervisor: SupervisorRecord | None) -> SupervisorRecord | None:
    if supervisor is None:
        return None
    # After a kill another process may have the id: only one with our mark is the supervisor.
    marked = processes.with_variable(MARKER, str(state.root))
    is_alive = supervisor.pid in marked and processes.is_alive(supervisor.pid)
    return supervisor if is_alive else None


class Observer:
    """Looks at the embedded environment, and remembers what MLflow has said for good."""

    def __init__(self, state: State, environment: str) -> None:
        self.state, self.environment = state, environment
        self._tracking: Tracking | None = None

    def look(self, awaited: set[str]) -> Observed:
        """Results of awaited identities, failed Jobs, serving; what cannot be read is held."""
        messages = read_messages(seen_jobs(self.state), awaited)
        try:
            # Where no pod has spoken there is nothing to ask, and MLflow may still be starting.
            answer = self._mlflow().look(messages.by_identity) if messages.newest else Look({})
        except UnavailableError as error:
            answer = Look({}, held=(Hold("MLflow", str(error)),))
        verified = verify(messages, answer.results, answer.refused)
        return Observed(
            self.environment,
            verified.results,
            failed_jobs(self.state),
            served(self.state),
            unknown=verified.unknown,
            holds=(*answer.held, *verified.holds),
        )

    def _mlflow(self) -> Tracking:
        """MLflow at its present address."""
        uri = tracking_uri(self.state)
        if self._tracking is None or self._tracking.uri != uri:
            self._tracking = Tracking(uri)
        return self._tracking


def served(state: State) -> dict[str, ServingStatus]:
    """What each model serves and what was measured of it."""
    found = {model: records.serving(state, model) for model in state.names("serving")}
    return {model: status for model, status in found.items() if status}


def tracking_uri(state: State) -> str:
    """Address of MLflow on this machine."""
    endpoints = records.endpoints(state)
    if endpoints is None:
        raise UnavailableError("the embedded environment is not up; start it with `ml-pipeline up`")
    return f"http://127.0.0.1:{endpoints.mlflow}"


def seen_jobs(state: State) -> list[ObservedJob]:
    """Jobs with the pods of theirs that have ended, as `rules/automation/termination.py` takes them."""
    return [_seen(state, record) for record in _records(state)]


def failed_jobs(state: State) -> dict[str, str]:
    """Reasons of failed Jobs by the short identity of what they were to do."""
    failed = {}
    for record in _records(state):
        if record.phase == "Failed":
            failed[_identity(record)] = f"{record.reason}: {record.message}"
    return failed


def _records(state: State) -> Iterator[JobRecord]:
    """Jobs that say what they make."""
    return (record for record in records.jobs(state) if _identity(record))


def _identity(record: JobRecord) -> str:
    return record.labels.get(LABEL_RUN) or record.labels.get(LABEL_DATA) or ""


def _seen(state: State, record: JobRecord) -> ObservedJob:
    """A Job with what its pods have said. The supervisor makes one anew whose record is gone."""
    name = record.name
    command = f"rm {state.root.name}/jobs/{name}.json"
    again = f"remove its record with `{command}`: the next one says again what has finished"
    complete = record.phase == "Complete"
    pods = tuple(_pod_ends(state, record))
    return ObservedJob(name, _identity(record), complete, _ended(record), again, pods)


def _pod_ends(state: State, record: JobRecord) -> Iterator[PodEnd]:
    """How the pods of a Job have ended, those that are there, newest last."""
    for number in range(1, record.attempt + 1):
        pod = records.pod_status(state, f"{record.name}-{number}")
        if pod and not pod.is_running:
            yield PodEnd(pod.exit_code, pod.message)


def _ended(record: JobRecord) -> str:
    """When a Job ended, as an API server would write it; empty where it has not."""
    if record.phase not in ("Complete", "Failed"):
        return ""
    return datetime.fromtimestamp(record.finished or 0, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
