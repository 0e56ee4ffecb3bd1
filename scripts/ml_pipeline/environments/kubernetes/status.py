"""What a cluster shows to people: revisions, Jobs and models of one environment, and what keeps each from going on."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ml_pipeline.adapters.kubernetes import (
    EVENTS,
    GIT_REPOSITORIES,
    JOBS,
    KUSTOMIZATIONS,
    PODS,
    SELDON_DEPLOYMENTS,
    Cluster,
    NotServedError,
)
from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.diagnosis.flux_status import applied, flux_findings
from ml_pipeline.rules.diagnosis.job_view import JobView, views
from ml_pipeline.rules.diagnosis.pods import note
from ml_pipeline.rules.diagnosis.reconciler import SELECTOR, reconciler_findings
from ml_pipeline.rules.render.drift import drift
from ml_pipeline.rules.render.flux import PARTS, SOURCE, surplus
from ml_pipeline.rules.render.serving import RUN
from ml_pipeline.rules.render.training import job_name

Object = dict[str, Any]
_OWN_MANAGERS = ("kustomize-controller", "kube-controller-manager", "kueue")


@dataclass
class Shown:
    """One look at an environment. `findings` are lines that name a cause and its repair."""

    applied: dict[str, str] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    jobs: list[Object] = field(default_factory=list)
    models: list[Object] = field(default_factory=list)


def look(
    cluster: Cluster, snapshot: Snapshot, name: str, selector: str, *, is_whole: bool = True
) -> Shown:
    """Everything that `status` prints of an environment, read with the rights of whoever asks. Where documents are left out
    of the snapshot it is not whole, and what is rendered from them is no finding."""
    environment, shown = snapshot.environments[name], Shown()
    names = environment.namespaces
    no_flux = "the cluster has no Flux; install it with `flux install`, 2.9 or newer"
    found = _served(shown, lambda: cluster.objects(KUSTOMIZATIONS, names.platform), no_flux)
    if found is not None:
        sources = [
            s
            for s in cluster.objects(GIT_REPOSITORIES, names.platform)
            if s["metadata"]["name"] == SOURCE
        ]
        shown.applied = dict.fromkeys(PARTS, "") | applied(found)
        shown.findings += flux_findings(sources[0] if sources else None, found, environment.cluster)
        shown.findings += _surplus(environment, found)
    if environment.reconcile:
        pods = cluster.objects(PODS, names.platform, SELECTOR)
        told = cluster.objects(EVENTS, names.platform)
        shown.findings += reconciler_findings(pods, told, names.platform)
    jobs = cluster.objects(JOBS, names.training, selector)
    pods = cluster.objects(PODS, names.training) if jobs else []
    events = cluster.objects(EVENTS, names.training) if jobs else []
    seen = views(jobs, pods, events)
    shown.jobs = [_job(view, snapshot) for view in seen]
    if not selector:
        shown.findings += list(_missing(snapshot, name, {view.name for view in seen}))
        if is_whole:
            shown.findings += list(_stale(snapshot, name))
    missing = "SeldonDeployment is not installed; install Seldon Core, or its CRDs and `ml-pipeline bridge`"
    models = _served(
        shown, lambda: cluster.objects(SELDON_DEPLOYMENTS, names.serving, selector), missing
    )
    shown.models = [_model(thing) for thing in models or ()]
    return shown


def _served(shown: Shown, read: Callable[[], list[Object]], missing: str) -> list[Object] | None:
    """What `read` finds; None, and a finding, where the API server does not know the kind."""
    try:
        return read()
    except NotServedError:
        shown.findings.append(missing)
        return None


def _job(view: JobView, snapshot: Snapshot) -> Object:
    by_hand = [m["manager"] for m in view.job["metadata"].get("managedFields", ()) if _by_hand(m)]
    text = note(view, snapshot)
    if by_hand:
        text = "; ".join(
            filter(
                None,
                (
                    text,
                    f"was edited with {by_hand[0]}, git says otherwise; delete the Job and Flux makes git's",
                ),
            )
        )
    return {
        "name": view.name,
        "labels": view.labels,
        "phase": view.phase,
        "attempt": len(view.pods),
        "seconds": _seconds(view),
        "message": text,
    }


def _by_hand(entry: Object) -> bool:
    """Whether somebody beside Flux and the controllers owns a field of the spec."""
    return entry["manager"] not in _OWN_MANAGERS and "f:spec" in entry.get("fieldsV1", {})


def _seconds(view: JobView) -> float:
    """From the start of a Job to its end, or to now."""
    status = view.job.get("status", {})
    started = _time(status.get("startTime"))
    failed = next(
        (
            c.get("lastTransitionTime")
            for c in status.get("conditions", ())
            if c["type"] == "Failed"
        ),
        None,
    )
    end = _time(status.get("completionTime") or failed) or time.time()
    return round(end - started, 1) if started else 0.0


def _time(text: str | None) -> float | None:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() if text else None


def _model(deployment: Object) -> Object:
    status = deployment.get("status", {})
    there = status.get("deploymentStatus") or {}
    name = deployment["metadata"]["name"]
    predictors = []
    for predictor in deployment["spec"]["predictors"]:
        mine = [d for key, d in there.items() if key.startswith(f"{name}-{predictor['name']}-")]
        ready = any(d.get("availableReplicas") for d in mine)
        run = predictor.get("annotations", {}).get(RUN, predictor["name"])
        row = {
            "name": predictor["name"],
            "run": run,
            "weight": predictor.get("traffic", 0),
            "ready": ready,
        }
        predictors.append({**row, "message": "ready" if ready else "not ready"})
    return {
        "model": name,
        "labels": deployment["metadata"].get("labels", {}),
        "state": status.get(
            "state",
            "Unknown: no operator has seen it; install Seldon Core, or run `ml-pipeline bridge`",
        ),
        "url": status.get("address", {}).get("url", "no address yet"),
        "predictors": predictors,
        "message": status.get("description", ""),
    }


def _surplus(environment: Environment, kustomizations: list[Object]) -> Iterable[str]:
    """Shards that the cluster still has after `training_shards` was lowered."""
    for name in surplus(environment, [thing["metadata"]["name"] for thing in kustomizations]):
        yield f"Kustomization {name} is of a shard that the environment has no longer; run `ml-pipeline bootstrap --apply`"


def _missing(snapshot: Snapshot, name: str, there: set[str]) -> Iterable[str]:
    """Jobs that git asks for and the cluster does not have."""
    for path, raw in sorted(snapshot.files.items()):
        parts = path.split("/")
        if parts[:3] == ["environments", name, "training"] and parts[-1] == "kustomization.yaml":
            job = job_name(raw)
            if job not in there:
                yield f"Job {job} is in git and not in the cluster; Flux makes it at its next look, at most 10 minutes from now"


def _stale(snapshot: Snapshot, name: str) -> Iterable[str]:
    """Rendered files on the branch that do not follow from its documents, such as an overlay edited by hand."""
    changes = drift(snapshot)
    mine = sorted(
        p for p in {*changes.write, *changes.delete} if p.startswith(f"environments/{name}/")
    )
    if mine:
        yield f"{mine[0]} does not follow from the documents ({len(mine)} such files); run `ml-pipeline render` and commit"
