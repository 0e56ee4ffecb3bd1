"""`ml-pipeline status`: what runs, what waits and for what, what serves; one line each."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.adapters.kubernetes import ANY, Cluster
from ml_pipeline.commands import console
from ml_pipeline.documents.faults import InvalidDocumentsError
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.environments.embedded.observe import find_state, served
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.environments.kubernetes.status import look
from ml_pipeline.layout import verdict_path
from ml_pipeline.operations.bridge import bridge_folder
from ml_pipeline.operations.reconcile import held_on, read_held, unsettled
from ml_pipeline.operations.up import missing_bytes, running
from ml_pipeline.operations.workspace import open_branch, runtime_of
from ml_pipeline.rules.automation.branch import Branch
from ml_pipeline.rules.diagnosis.pods import data_users, of_experiments
from ml_pipeline.rules.identity.settled import why_no_jobs
from ml_pipeline.rules.render.overlays import LABEL_DATA
from ml_pipeline.rules.review.plain_files import READ
from ml_pipeline.rules.rollout.steps import Progress, progress

_ROLLOUTS_ARE_IN = ("environment.yaml", "promotions", "rollouts", "verdicts")
Serving = Mapping[str, Mapping[str, Any]]


def status(
    repo: Path,
    environment: str = "local",
    *,
    cluster: Cluster = ANY,
    selector: str = "",
    output: str = "text",
) -> int:
    """Jobs and models of an environment whose labels match `key=value,key=value`."""
    if runtime_of(repo, environment) == "embedded":
        return _embedded(repo, environment, selector, output)
    return _on_cluster(repo, environment, cluster, selector, output)


def _embedded(repo: Path, environment: str, selector: str, output: str) -> int:
    state = find_state(repo)
    up = running(state) is not None
    wanted = dict(pair.split("=", 1) for pair in selector.split(",") if "=" in pair)
    jobs = [
        row
        for name in state.names("jobs")
        if (row := _job(state.read(f"jobs/{name}"), up=up)) and _matches(row["labels"], wanted)
    ]
    served_models = served(state)
    models = [
        row if up else _stopped(row)
        for row in served_models.values()
        if _matches(row["labels"], wanted)
    ]
    branch = Repository(state.origin)
    jobs = _with_data_users(jobs, branch)
    rollouts, unknown = _rollouts(branch, "HEAD", environment, served_models if up else None)
    rollouts = _of_the_shown(rollouts, models, selector)
    revision, held = state.read("revision") or {}, read_held(state)
    missing = missing_bytes(state, environment)
    data = {
        "up": up,
        "held": [asdict(entry) for entry in held],
        "revision": revision,
        "jobs": jobs,
        "models": models,
        "rollouts": [asdict(rollout) for rollout in rollouts],
        "missing": missing,
    }
    head = f"environment {'up' if up else 'down; start it with `ml-pipeline up`'}, revision {revision.get('applied', 'none')[:10]}"
    failed = (
        f"revision {revision['seen'][:10]} {revision['error']}" if revision.get("error") else ""
    )
    lines = [*map(str, held), head, failed, unknown, *missing]

    def no_jobs() -> str:
        return _no_jobs(Branch(Snapshot(branch.read("HEAD"))), environment, selector)

    console.answer(data, _text(lines, jobs, models, rollouts, no_jobs), output)
    found = held or revision.get("error") or unknown or not up or _is_aborted(rollouts)
    return console.FINDINGS if found else console.OK


def _on_cluster(repo: Path, environment: str, cluster: Cluster, selector: str, output: str) -> int:
    workspace = open_branch(repo, "origin", environment=environment)
    workspace.environment(environment)
    branch = Branch(workspace.snapshot)
    changes = workspace.repository.last_changes(workspace.revision, READ) if branch.faults else {}
    held = held_on(branch, environment, changes)
    if branch.is_held(environment):
        rows = [asdict(entry) for entry in held]
        console.answer({"held": rows}, "\n".join(map(str, held)), output)
        return console.FINDINGS
    held += unsettled(cluster, branch, environment)
    shown = look(cluster, branch.snapshot, environment, selector, is_whole=not branch.faults)
    seen = served(State(bridge_folder(repo, environment)))
    rollouts, unknown = _rollouts(workspace.repository, workspace.revision, environment, seen)
    rollouts = _of_the_shown(rollouts, shown.models, selector)
    data = {
        "revision": workspace.revision,
        "held": [asdict(entry) for entry in held],
        **asdict(shown),
        "rollouts": [asdict(rollout) for rollout in rollouts],
    }
    parts = ", ".join(
        f"{part} {revision[:10] or 'nothing yet'}" for part, revision in shown.applied.items()
    )
    head = f"environment {environment}: {workspace.repository.branch} is at {workspace.revision[:10]}; applied: {parts or 'nothing'}"
    lines = [*map(str, held), head, *shown.findings, unknown]

    def no_jobs() -> str:
        return _no_jobs(branch, environment, selector)

    console.answer(data, _text(lines, shown.jobs, shown.models, rollouts, no_jobs), output)
    failed = any(job["phase"] == "Failed" for job in shown.jobs)
    found = held or shown.findings or unknown or failed or _is_aborted(rollouts)
    return console.FINDINGS if found else console.OK


def _rollouts(
    repository: Repository, revision: str, environment: str, seen: Serving | None
) -> tuple[list[Progress], str]:
    """How the rollouts of an environment stand, or one line that says why that is not known. `seen` is what serves, by
    model; None while the environment is down."""
    roots = (f"environments/{environment}/{part}" for part in _ROLLOUTS_ARE_IN)
    snapshot = Snapshot(repository.read(revision, roots))
    try:
        found = list(progress(snapshot, environment, seen or {}))
    except InvalidDocumentsError as error:
        return [], f"rollouts are not known: {error.faults[0]}"
    return [_dated(repository, revision, rollout, up=seen is not None) for rollout in found], ""


def _dated(repository: Repository, revision: str, rollout: Progress, *, up: bool) -> Progress:
    """A rollout with what only the branch and the environment as a whole know of it."""
    if rollout.outcome == "runs":
        return rollout if up else replace(rollout, reason="the environment is down")
    path = verdict_path(rollout.environment, rollout.model, rollout.rollout)
    commits = repository.log([path], revision, "-1")
    return replace(rollout, since=commits[0].when) if commits else rollout


def _of_the_shown(
    rollouts: list[Progress], models: list[dict[str, Any]], selector: str
) -> list[Progress]:
    """Those of the models that a selector leaves."""
    shown = {model["model"] for model in models}
    return [rollout for rollout in rollouts if not selector or rollout.model in shown]


def _is_aborted(rollouts: list[Progress]) -> bool:
    return any(rollout.outcome == "aborted" for rollout in rollouts)


def model_status(state: State, model: str) -> dict[str, Any] | None:
    """What serves a model, None where nothing does, or the environment is down."""
    if running(state) is None:
        return None
    found: dict[str, Any] | None = state.read(f"serving/{model}")
    return found


def _job(record: dict[str, Any] | None, *, up: bool) -> dict[str, Any] | None:
    if record is None:
        return None
    phase, message = record["phase"], record.get("message", "")
    end = record.get("finished", time.time())
    seconds = round(end - record["started"], 1) if "started" in record else 0.0
    if phase == "Running" and not up:
        # Nobody knows how long it ran: what ended it wrote nothing down.
        phase, message, seconds = "Stopped", "goes on with `ml-pipeline up`", 0.0
    return {
        "name": record["name"],
        "labels": record["manifest"]["metadata"]["labels"],
        "phase": phase,
        "attempt": record["attempt"],
        "seconds": seconds,
        "message": message,
    }


def _with_data_users(jobs: list[dict[str, Any]], branch: Repository) -> list[dict[str, Any]]:
    """Data Jobs with the experiments that wait for them: their names say nothing of these."""
    if not any(LABEL_DATA in job["labels"] for job in jobs):
        return jobs
    snapshot = Snapshot(branch.read("HEAD", ["experiments"]))
    try:
        users = [data_users(snapshot, job["labels"].get(LABEL_DATA, "")) for job in jobs]
    except InvalidDocumentsError:
        return jobs
    return [
        {**job, "message": of_experiments(job["message"], names)}
        for job, names in zip(jobs, users, strict=True)
    ]


def _stopped(model: dict[str, Any]) -> dict[str, Any]:
    """What served before the environment went down: nothing of it answers."""
    predictors = [
        {**predictor, "ready": False, "message": "down"} for predictor in model["predictors"]
    ]
    return {**model, "state": "Down", "predictors": predictors}


def _no_jobs(branch: Branch, environment: str, selector: str) -> str:
    """Why there is no Job to show; the whole branch is read for that, so nobody asks where there is one."""
    return f"no Jobs with {selector}" if selector else why_no_jobs(branch.snapshot, environment)


def _matches(labels: dict[str, str], wanted: dict[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in wanted.items())


def _text(
    head: list[str],
    jobs: list[dict[str, Any]],
    models: list[dict[str, Any]],
    rollouts: list[Progress],
    no_jobs: Callable[[], str],
) -> str:
    lines = [line for line in head if line]
    rows = [("JOB", "PHASE", "TRY", "SECONDS", "NOTE")]
    rows += [
        (job["name"], job["phase"], str(job["attempt"]), f"{job['seconds']:.0f}", job["message"])
        for job in jobs
    ]
    lines.append(console.table(rows) if jobs else no_jobs())
    for model in models:
        lines.append(f"{model['model']}: {model['state']}, {model['url']}")
        predictors = [(f"  {p['weight']} %", p["run"], p["message"]) for p in model["predictors"]]
        lines.append(console.table(predictors))
    lines += [str(rollout) for rollout in rollouts]
    return "\n".join(lines)
