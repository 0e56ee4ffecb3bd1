"""What the embedded environment shows to people: its revision, Jobs and models."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace

from ml_pipeline.documents.faults import InvalidDocumentsError, PipelineError
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.environments.embedded import records
from ml_pipeline.environments.embedded.observe import running, served
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.environments.embedded.store import lacking
from ml_pipeline.environments.records import (
    EmbeddedShown,
    JobStatus,
    ModelStatus,
    SeenRevision,
)
from ml_pipeline.rules.automation.branch import Branch
from ml_pipeline.rules.diagnosis.pods import data_users, of_experiments
from ml_pipeline.rules.render.overlays import LABEL_DATA
from ml_pipeline.rules.rollout.evidence import ServingStatus


def look(state: State, branch: Branch, environment: str, selector: str) -> EmbeddedShown:
    """Jobs and models whose labels match; what served before it went down is no longer there."""
    up = running(state) is not None
    wanted = _labels(selector)
    jobs = [job for job in _jobs(state, up=up) if _matches(job, wanted)]
    # Read once: a step that is taken meanwhile would show two states of one model.
    traffic = served(state)
    models = [_model(status, up=up) for status in traffic.values()]
    return EmbeddedShown(
        jobs=tuple(_with_data_users(jobs, branch.whole)),
        models=tuple(model for model in models if _matches(model, wanted)),
        traffic=traffic if up else None,
        up=up,
        revision=records.revision(state) or SeenRevision(),
        missing=tuple(_missing(state, branch.whole, environment)),
    )


def url_of(state: State, model: str) -> str | None:
    """Where a model answers; None where nothing serves it, or the environment is down."""
    if running(state) is None:
        return None
    status = records.serving(state, model)
    return status.url if status else None


def _labels(selector: str) -> dict[str, str]:
    """What `key=value,key=value` asks for."""
    wanted = {}
    for pair in selector.split(","):
        key, is_one, value = pair.partition("=")
        if is_one:
            wanted[key] = value
    return wanted


def _matches(row: JobStatus | ModelStatus, wanted: Mapping[str, str]) -> bool:
    return wanted.items() <= row.labels.items()


def _jobs(state: State, *, up: bool) -> Iterator[JobStatus]:
    for record in records.jobs(state):
        yield _job(record, up=up)


def _job(record: records.JobRecord, *, up: bool) -> JobStatus:
    job = JobStatus(
        name=record.name,
        labels=record.labels,
        phase=record.phase,
        attempt=record.attempt,
        seconds=_seconds(record),
        message=record.message or "",
    )
    if job.phase != "Running" or up:
        return job
    # Nobody knows how long it ran: what ended it wrote nothing down.
    return replace(job, phase="Stopped", seconds=0.0, message="goes on with `ml-pipeline up`")


def _seconds(record: records.JobRecord) -> float:
    """From the first start of a Job to its end, or to now; 0 while it has not started."""
    if record.started is None:
        return 0.0
    end = time.time() if record.finished is None else record.finished
    return round(end - record.started, 1)


def _with_data_users(jobs: list[JobStatus], snapshot: Snapshot) -> list[JobStatus]:
    """Data Jobs with the experiments that wait for them: their names say nothing of these."""
    if not any(LABEL_DATA in job.labels for job in jobs):
        return jobs
    named = []
    for job in jobs:
        try:
            users = data_users(snapshot, job.labels.get(LABEL_DATA, ""))
        except InvalidDocumentsError:
            return jobs
        named.append(replace(job, message=of_experiments(job.message, users)))
    return named


def _model(status: ServingStatus, *, up: bool) -> ModelStatus:
    model = ModelStatus(
        model=status.model,
        labels=status.labels,
        rollout=status.rollout,
        state=status.state,
        url=status.url,
        predictors=status.predictors,
        routed=status.routed,
        evidence=tuple(map(records.evidence_json, status.evidence)),
    )
    return model if up else _stopped(model)


def _stopped(model: ModelStatus) -> ModelStatus:
    """What served before the environment went down: nothing of it answers."""
    predictors = (replace(one, ready=False, message="down") for one in model.predictors)
    return replace(model, state="Down", predictors=tuple(predictors))


def _missing(state: State, snapshot: Snapshot, environment: str) -> list[str]:
    """What receipts name and this machine lacks; nothing where documents cannot be read."""
    try:
        return lacking(state, snapshot, environment)
    except PipelineError:
        return []
