"""`ml-pipeline status`: what runs, what waits and for what, what serves; one line each."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ml_pipeline.adapters.kubernetes import ANY, Cluster
from ml_pipeline.cluster.status import look
from ml_pipeline.documents.snapshot import ROOTS
from ml_pipeline.local.observe import find_state
from ml_pipeline.local.state import State
from ml_pipeline.rules.branch import Branch
from ml_pipeline.verbs import console
from ml_pipeline.verbs.reconcile import held_on, read_held
from ml_pipeline.verbs.up import running
from ml_pipeline.verbs.workspace import open_branch, runtime_of


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
        return _embedded(repo, selector, output)
    return _on_cluster(repo, environment, cluster, selector, output)


def _embedded(repo: Path, selector: str, output: str) -> int:
    state = find_state(repo)
    wanted = dict(pair.split("=", 1) for pair in selector.split(",") if "=" in pair)
    jobs = [
        row
        for name in state.names("jobs")
        if (row := _job(state.read(f"jobs/{name}"))) and _matches(row["labels"], wanted)
    ]
    models = [
        row
        for name in state.names("serving")
        if (row := state.read(f"serving/{name}")) and _matches(row["labels"], wanted)
    ]
    revision = state.read("revision") or {}
    data = {"up": running(state) is not None, "revision": revision, "jobs": jobs, "models": models}
    head = f"environment {'up' if data['up'] else 'down; start it with `ml-pipeline up`'}, revision {revision.get('applied', 'none')[:10]}"
    held = read_held(state)
    data["held"] = [asdict(entry) for entry in held]
    failed = (
        f"revision {revision['seen'][:10]} {revision['error']}" if revision.get("error") else ""
    )
    lines = [*map(str, held), head, failed]
    console.answer(data, _text(lines, jobs, models), output)
    return console.FINDINGS if revision.get("error") or held or not data["up"] else console.OK


def _on_cluster(repo: Path, environment: str, cluster: Cluster, selector: str, output: str) -> int:
    workspace = open_branch(repo, "origin")
    workspace.environment(environment)
    branch = Branch(workspace.snapshot)
    changes = workspace.repository.last_changes(workspace.revision, ROOTS) if branch.faults else {}
    held = held_on(branch, environment, changes)
    if branch.is_held(environment):
        console.answer(
            {"held": [asdict(entry) for entry in held]}, "\n".join(map(str, held)), output
        )
        return console.FINDINGS
    shown = look(cluster, branch.snapshot, environment, selector, is_whole=not branch.faults)
    data = {
        "revision": workspace.revision,
        "held": [asdict(entry) for entry in held],
        **asdict(shown),
    }
    parts = ", ".join(
        f"{part} {revision[:10] or 'nothing yet'}" for part, revision in shown.applied.items()
    )
    head = f"environment {environment}: {workspace.repository.branch} is at {workspace.revision[:10]}; applied: {parts or 'nothing'}"
    lines = [*map(str, held), head, *shown.findings]
    console.answer(data, _text(lines, shown.jobs, shown.models), output)
    return (
        console.FINDINGS
        if held or shown.findings or any(job["phase"] == "Failed" for job in shown.jobs)
        else console.OK
    )


def model_status(state: State, model: str) -> dict[str, Any] | None:
    """What serves a model, None where nothing does."""
    found: dict[str, Any] | None = state.read(f"serving/{model}")
    return found


def _job(record: dict[str, Any] | None) -> dict[str, Any] | None:
    if record is None:
        return None
    end = record.get("finished", time.time())
    return {
        "name": record["name"],
        "labels": record["manifest"]["metadata"]["labels"],
        "phase": record["phase"],
        "attempt": record["attempt"],
        "seconds": round(end - record["started"], 1) if "started" in record else 0.0,
        "message": record.get("message", ""),
    }


def _matches(labels: dict[str, str], wanted: dict[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in wanted.items())


def _text(head: list[str], jobs: list[dict[str, Any]], models: list[dict[str, Any]]) -> str:
    lines = [line for line in head if line]
    rows = [("JOB", "PHASE", "TRY", "SECONDS", "NOTE")]
    rows += [
        (job["name"], job["phase"], str(job["attempt"]), f"{job['seconds']:.0f}", job["message"])
        for job in jobs
    ]
    lines.append(console.table(rows) if jobs else "no Jobs: nothing is to be trained")
    for model in models:
        lines.append(f"{model['model']}: {model['state']}, {model['url']}")
        predictors = [(f"  {p['weight']} %", p["run"], p["message"]) for p in model["predictors"]]
        lines.append(console.table(predictors))
    return "\n".join(lines)
