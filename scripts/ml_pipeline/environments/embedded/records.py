"""What the embedded environment keeps below `.ml-pipeline/`: its records, and their JSON.

Here alone these files are written, and read as records. An environment that an older version has
started goes on from them: keys and values stay, and a key that is not there is one that nothing was
said of. Times are in seconds since the epoch.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from ml_pipeline.adapters.files import write_whole
from ml_pipeline.environments.embedded.state import DamagedStateError, Json, State, read_json
from ml_pipeline.environments.records import Held, SeenRevision
from ml_pipeline.rules.diagnosis.logs import JobTrace
from ml_pipeline.rules.kustomize.objects import Object
from ml_pipeline.rules.rollout.evidence import PredictorStatus, ServingStatus, StepEvidence
from ml_pipeline.rules.rollout.latency import Latency

LOST = "Lost"  # why a pod ended whose shim is gone
Record = TypeVar("Record")
_SUPERVISOR, _STOPPING, _HELD = "supervisor", "stopping", "held"
_KILLED = 137  # 128 and the number of SIGKILL


@dataclass(frozen=True)
class PodSpec:
    """`pods/<name>/spec.json`, which a shim reads: the command of a container, and its limits.

    `parent` is the process with which it ends. `grace_seconds` lie between SIGTERM and SIGKILL,
    `memory_bytes` is 0 where there is no limit, `cpus` are the cores that it may use.
    """

    command: list[str]
    env: dict[str, str]
    cwd: str
    parent: int
    grace_seconds: float
    memory_bytes: int
    cpus: list[int]


@dataclass(frozen=True)
class PodStatus:
    """`pods/<name>/status.json`, which its shim writes: how a container does, or how it ended.

    `exit_code` and what follows stand for nothing while it runs. `peak_bytes` is the most memory
    that was seen, `message` what it has left in its termination log.
    """

    phase: Literal["Running", "Ended"]
    shim: int | None = None
    started: float | None = None
    peak_bytes: int = 0
    pid: int | None = None
    exit_code: int = 0
    reason: str = ""
    finished: float | None = None
    message: str = ""

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.phase == "Running"

    @classmethod
    def of(cls, raw: Json) -> Self:
        """The record of a file."""
        if raw["phase"] == "Ended" and "exit_code" not in raw:
            raise KeyError("exit_code")  # no code is not 0
        return cls(**_known(cls, raw))


@dataclass(frozen=True)
class JobRecord:
    """`jobs/<name>.json`: how far a Job has come. A pod for each try is called `<name>-<attempt>`.

    `failures` are the tries that count, `not_before` is when the next one may start. `started` is
    when the first one did, `pod` is the last one. `reason` is the one word of its end.
    """

    name: str
    manifest: Object
    phase: Literal["Pending", "Running", "Complete", "Failed", "Deleting"]
    attempt: int = 0
    failures: int = 0
    created: float = 0.0
    pod: str | None = None
    started: float | None = None
    not_before: float | None = None
    message: str | None = None
    reason: str | None = None
    finished: float | None = None

    @property
    def labels(self) -> Mapping[str, str]:
        """Labels of the Job."""
        labels: Mapping[str, str] = self.manifest["metadata"]["labels"]
        return labels

    @classmethod
    def of(cls, raw: Json) -> Self:
        """The record of a file."""
        return cls(**_known(cls, raw))


@dataclass(frozen=True)
class Endpoints:
    """`endpoints.json`: ports on which MLflow and Envoy listen; the next start takes them again.

    0 where there is none: beside a cluster there is no MLflow of its own.
    """

    mlflow: int = 0
    endpoint: int = 0


@dataclass(frozen=True)
class SupervisorRecord:
    """`supervisor.json`: the process of the environment; not there while it is down.

    From when it is told to end, and until it has, it is `stopping.json`.
    """

    pid: int
    environment: str = ""


def pod_status(state: State, pod: str) -> PodStatus | None:
    """What the shim of a pod has last written, None where it has written nothing."""
    return _record(state.pod(pod) / "status.json", PodStatus.of)


def lost() -> PodStatus:
    """How a pod ended of which nothing else is known."""
    return PodStatus("Ended", exit_code=_KILLED, reason=LOST)


def save_pod_spec(state: State, pod: str, spec: PodSpec) -> None:
    """Say what the shim of a pod is to run."""
    write_whole(state.pod(pod) / "spec.json", json.dumps(asdict(spec)).encode())


def job(state: State, name: str) -> JobRecord | None:
    """A Job, None where it is not there, or not any more."""
    return _record(state.file(f"jobs/{name}"), JobRecord.of)


def jobs(state: State) -> list[JobRecord]:
    """Every Job, in the order of names."""
    records = [job(state, name) for name in state.names("jobs")]
    return [record for record in records if record]


def save_job(state: State, record: JobRecord) -> None:
    """Replace the record of a Job."""
    state.write(f"jobs/{record.name}", _said(record))


def forget_job(state: State, record: JobRecord) -> None:
    """Remove the record of a Job; what it was for stays, beside its logs."""
    trace = {"labels": record.labels, "created": record.created}
    # The trace first: whoever looks meanwhile finds the Job, or what it was for, or both.
    state.write(f"logs/jobs/{record.name}", trace)
    state.drop(f"jobs/{record.name}")


def kept_traces(state: State) -> list[JobTrace]:
    """Jobs that are gone, and whose logs are kept."""
    traces = []
    for name in state.names("logs/jobs"):
        trace = _record(state.file(f"logs/jobs/{name}"), partial(_trace_of, name))
        if trace:
            traces.append(trace)
    return traces


def _trace_of(name: str, raw: Json) -> JobTrace:
    return JobTrace(name, raw["labels"], raw.get("created", 0.0))


def serving(state: State, model: str) -> ServingStatus | None:
    """What serves a model, None where nothing does."""
    return _record(state.file(f"serving/{model}"), status_of)


def save_serving(state: State, status: ServingStatus) -> None:
    """Replace what is said of a model."""
    state.write(f"serving/{status.model}", serving_json(status))


def endpoints(state: State) -> Endpoints | None:
    """Where the services listen, None where they never did."""
    return _record(state.file("endpoints"), partial(_of, Endpoints))


def addresses(state: State) -> Endpoints:
    """Where the services of an environment that is up listen.

    Raises:
        DamagedStateError: nothing says so.
    """
    ports = endpoints(state)
    if ports is None or not (ports.mlflow and ports.endpoint):
        raise DamagedStateError(state.file("endpoints"), "does not name the ports of what is up")
    return ports


def save_endpoints(state: State, ports: Endpoints) -> None:
    """Keep where the services listen."""
    state.write("endpoints", {name: port for name, port in asdict(ports).items() if port})


def revision(state: State) -> SeenRevision | None:
    """What was last seen of the branch, None before anything was."""
    return _record(state.file("revision"), partial(_of, SeenRevision))


def save_revision(state: State, record: SeenRevision) -> None:
    """Say what was seen of the branch."""
    state.write("revision", _said(record))


def supervisor(state: State) -> SupervisorRecord | None:
    """Which process is the environment, or was when it was killed; None where it has ended."""
    return _supervisor(state, _SUPERVISOR)


def stopping_supervisor(state: State) -> SupervisorRecord | None:
    """Which process was told to end, and may not have ended yet."""
    return _supervisor(state, _STOPPING)


def save_supervisor(state: State, record: SupervisorRecord) -> None:
    """Say which process is the environment."""
    state.write(_SUPERVISOR, _said(record))


def say_stopping(state: State) -> None:
    """Say that the environment is told to end; nothing where that is said already."""
    state.rename(_SUPERVISOR, _STOPPING)


def forget_supervisor(state: State) -> None:
    """Say that no process is the environment."""
    for name in (_SUPERVISOR, _STOPPING):
        state.drop(name)


def _supervisor(state: State, name: str) -> SupervisorRecord | None:
    return _record(state.file(name), partial(_of, SupervisorRecord))


def holds(state: State) -> tuple[Held, ...]:
    """What the reconciler has said that it holds."""
    return _record(state.file(_HELD), _holds_of) or ()


def save_holds(state: State, held: tuple[Held, ...]) -> None:
    """Replace what the reconciler holds; there is no file where that is nothing."""
    if held:
        state.write(_HELD, [asdict(entry) for entry in held])
    else:
        state.drop(_HELD)


def _holds_of(rows: list[Json]) -> tuple[Held, ...]:
    return tuple(Held(**row) for row in rows)


def check(state: State) -> None:
    """Read what an environment goes on from.

    Raises:
        DamagedStateError: a file of it cannot be read.
    """
    for name in state.names("jobs"):
        record = job(state, name)
        if record and record.pod:
            pod_status(state, record.pod)
    for read in (kept_traces, revision, holds):
        read(state)


def status_of(raw: Json) -> ServingStatus:
    """What a file says of a model; evidence that cannot be read is its fault."""
    evidence: tuple[StepEvidence, ...] = ()
    fault = ""
    try:
        evidence = tuple(evidence_of(row) for row in raw["evidence"])
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        # Not raised: it is of interest where a step is due, and of this model alone.
        fault = str(error)
    return ServingStatus(
        raw.get("rollout", ""),
        model=raw.get("model", ""),
        labels=raw.get("labels", {}),
        state=raw.get("state", ""),
        url=raw.get("url", ""),
        predictors=tuple(_predictor_of(row) for row in raw.get("predictors", ())),
        routed=raw.get("routed", {}),
        evidence=evidence,
        fault=fault,
    )


def evidence_of(row: Json) -> StepEvidence:
    """What a file says of one predictor; what it does not say has not been measured.

    Raises:
        KeyError: it does not even say which one, or how much it was asked.
    """
    # The bounds are keys of JSON, and so text.
    counts = {float(bound): count for bound, count in row.get("latency", {}).items()}
    return StepEvidence(
        run=row["run"],
        weight=row["weight"],
        requests=row["requests"],
        errors=row["errors"],
        refused=row.get("refused", 0),
        latency=Latency(counts),
    )


def serving_json(status: ServingStatus) -> Json:
    """What a file says of a model."""
    return {
        "model": status.model,
        "labels": status.labels,
        "rollout": status.rollout,
        "state": status.state,
        "url": status.url,
        "predictors": [asdict(predictor) for predictor in status.predictors],
        "routed": status.routed,
        "evidence": [evidence_json(evidence) for evidence in status.evidence],
    }


def evidence_json(evidence: StepEvidence) -> Json:
    """What a file says of one predictor."""
    counts = evidence.latency.counts
    return {
        "run": evidence.run,
        "weight": evidence.weight,
        "requests": evidence.requests,
        "errors": evidence.errors,
        "refused": evidence.refused,
        "latency": {str(bound): count for bound, count in counts.items()},
    }


def _predictor_of(row: Json) -> PredictorStatus:
    return PredictorStatus(
        name=row.get("name", ""),
        run=row.get("run", ""),
        weight=row.get("weight", 0),
        ready=row.get("ready", False),
        message=row.get("message", ""),
    )


def _record(path: Path, of: Callable[[Any], Record]) -> Record | None:
    """The record that a file holds, None where there is no file.

    Raises:
        DamagedStateError: it holds something else.
    """
    raw = read_json(path)
    if raw is None:
        return None
    try:
        return of(raw)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise DamagedStateError(path, f"does not hold what belongs there: {error}") from error


def _of(kind: type[Record], raw: Json) -> Record:
    return kind(**_known(kind, raw))


def _known(kind: type[Any], raw: Json) -> Json:
    """Of the keys of a file those that a record has."""
    if not isinstance(raw, dict):
        raise TypeError("it is no object")
    lacking = [f.name for f in fields(kind) if f.default is MISSING and f.name not in raw]
    if lacking:
        raise ValueError(f"it lacks {', '.join(lacking)}")
    return {field.name: raw[field.name] for field in fields(kind) if field.name in raw}


def _said(record: Any) -> Json:
    """The fields of a record of which something is said; a manifest stays as it is."""
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    return {name: value for name, value in values.items() if value is not None}
