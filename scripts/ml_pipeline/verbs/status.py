"""`ml-pipeline status`: what runs, what waits and for what, what serves; one line each."""

import time
from pathlib import Path
from typing import Any

from ml_pipeline.local.observe import find_state
from ml_pipeline.local.state import State
from ml_pipeline.verbs import console
from ml_pipeline.verbs.up import running


def status(repo: Path, *, selector: str = "", output: str = "text") -> int:
    """Jobs and models of the embedded environment whose labels match `key=value,key=value`."""
    state = find_state(repo)
    wanted = dict(pair.split("=", 1) for pair in selector.split(",") if "=" in pair)
    jobs = [row for name in state.names("jobs") if (row := _job(state.read(f"jobs/{name}"))) and _matches(row["labels"], wanted)]
    models = [row for name in state.names("serving") if (row := state.read(f"serving/{name}")) and _matches(row["labels"], wanted)]
    revision = state.read("revision") or {}
    data = {"up": running(state) is not None, "revision": revision, "jobs": jobs, "models": models}
    console.answer(data, _text(data), output)
    return console.FINDINGS if revision.get("error") or not data["up"] else console.OK


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


def _text(data: dict[str, Any]) -> str:
    revision = data["revision"]
    lines = [
        f"environment {'up' if data['up'] else 'down; start it with `ml-pipeline up`'}, revision {revision.get('applied', 'none')[:10]}"
    ]
    if revision.get("error"):
        lines.append(f"revision {revision['seen'][:10]} {revision['error']}")
    rows = [("JOB", "PHASE", "TRY", "SECONDS", "NOTE")]
    rows += [(job["name"], job["phase"], str(job["attempt"]), f"{job['seconds']:.0f}", job["message"]) for job in data["jobs"]]
    lines.append(console.table(rows) if data["jobs"] else "no Jobs: nothing is to be trained")
    for model in data["models"]:
        lines.append(f"{model['model']}: {model['state']}, {model['url']}")
        predictors = [(f"  {p['weight']} %", p["run"], p["message"]) for p in model["predictors"]]
        lines.append(console.table(predictors))
    return "\n".join(lines)
