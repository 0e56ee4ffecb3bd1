"""What a cluster shows to people: revisions, Jobs and models, and what keeps each from going on."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

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
from ml_pipeline.environments.kubernetes.observe import Observer, jobs_among, jobs_of
from ml_pipeline.environments.records import ClusterShown, JobStatus, ModelStatus, Traffic
from ml_pipeline.layout import environment_folder, file_of, owner_of, part_of
from ml_pipeline.rules.automation.branch import Branch
from ml_pipeline.rules.automation.observed import Hold
from ml_pipeline.rules.diagnosis.flux_status import applied, flux_findings
from ml_pipeline.rules.diagnosis.job_view import JobView, conditions_of, views
from ml_pipeline.rules.diagnosis.pods import note
from ml_pipeline.rules.diagnosis.reconciler import SELECTOR, reconciler_findings
from ml_pipeline.rules.kustomize.objects import Object
from ml_pipeline.rules.render.drift import drift
from ml_pipeline.rules.render.flux import PARTS, SOURCE, surplus
from ml_pipeline.rules.render.serving import RUN
from ml_pipeline.rules.render.training import job_name
from ml_pipeline.rules.rollout.evidence import PredictorStatus

# Who may own fields of a Job's spec: Flux applies it, the Job controller and Kueue suspend it.
_OWN_MANAGERS = ("kustomize-controller", "kube-controller-manager", "kueue")
_NO_FLUX = "the cluster has no Flux; install it with `flux install`, 2.9 or newer"
_NO_SELDON = (
    "SeldonDeployment is not installed; install Seldon Core, or its CRDs and `ml-pipeline bridge`"
)
_UNSEEN = "Unknown: no operator has seen it; install Seldon Core, or run `ml-pipeline bridge`"


@dataclass(frozen=True)
class _Flux:
    """Revisions that Flux has applied, by part, and what keeps it from the next."""

    applied: dict[str, str]
    findings: list[str]


@dataclass(frozen=True)
class _Jobs:
    """Jobs that a selector leaves; all of data and runs, for what automation makes of them."""

    shown: list[JobView]
    of_pipeline: list[JobView]


@dataclass(frozen=True)
class _Models:
    """SeldonDeployments that a selector leaves, or why there can be none."""

    deployments: Sequence[Object]
    not_served: str = ""
    """What the API server says where it does not know the kind."""


def look(observer: Observer, branch: Branch, selector: str, traffic: Traffic) -> ClusterShown:
    """Everything that `status` prints of an environment, with the rights of whoever asks.

    What automation would leave alone is told from the same look at Jobs and pods.
    """
    cluster, snapshot = observer.cluster, branch.snapshot
    environment = snapshot.environments[observer.name]
    awaited = branch.awaited(environment.name)
    flux = _flux(cluster, environment)
    findings = [*flux.findings, *_reconciler(cluster, environment)]
    jobs = _jobs(cluster, environment, selector, is_awaited=bool(awaited))
    if not selector:
        findings += _missing(snapshot, environment, {view.name for view in jobs.shown})
    if not selector and not branch.faults:
        # With documents left out, what is rendered from them would look like an edit by hand.
        findings += _stale(snapshot, environment)
    models = _models(cluster, environment, selector)
    if models.not_served:
        findings.append(_NO_SELDON)
    held: tuple[Hold, ...] = ()
    if awaited and models.not_served:
        held = (Hold("cluster", models.not_served),)
    if awaited:
        # MLflow is asked last: where the cluster refuses, nobody waits for it.
        held += observer.verified(environment, jobs.of_pipeline, awaited).holds
    return ClusterShown(
        jobs=tuple(_job(view, snapshot) for view in jobs.shown),
        models=tuple(map(_model, models.deployments)),
        traffic=traffic,
        held=held,
        applied=flux.applied,
        findings=tuple(findings),
    )


def _flux(cluster: Cluster, environment: Environment) -> _Flux:
    namespace = environment.namespaces.platform
    try:
        kustomizations = cluster.objects(KUSTOMIZATIONS, namespace)
    except NotServedError:
        return _Flux({}, [_NO_FLUX])
    source = None
    for repository in cluster.objects(GIT_REPOSITORIES, namespace):
        if repository["metadata"]["name"] == SOURCE:
            source = repository
            break
    findings = flux_findings(source, kustomizations, environment.cluster)
    findings += _surplus(environment, kustomizations)
    return _Flux(dict.fromkeys(PARTS, "") | applied(kustomizations), findings)


def _surplus(environment: Environment, kustomizations: Iterable[Object]) -> Iterator[str]:
    """Shards that the cluster still has after `training_shards` was lowered."""
    for name in surplus(environment, [one["metadata"]["name"] for one in kustomizations]):
        yield (
            f"Kustomization {name} is of a shard that the environment has no longer; "
            "run `ml-pipeline bootstrap --apply`"
        )


def _reconciler(cluster: Cluster, environment: Environment) -> list[str]:
    """What keeps the Deployment `reconcile` from its work, where the environment has one."""
    if not environment.reconcile:
        return []
    namespace = environment.namespaces.platform
    pods = cluster.objects(PODS, namespace, SELECTOR)
    events = cluster.objects(EVENTS, namespace)
    return reconciler_findings(pods, events, namespace)


def _jobs(cluster: Cluster, environment: Environment, selector: str, *, is_awaited: bool) -> _Jobs:
    namespace = environment.namespaces.training
    jobs = cluster.objects(JOBS, namespace, selector)
    pods = cluster.objects(PODS, namespace) if jobs else []
    events = cluster.objects(EVENTS, namespace) if jobs else []
    shown = views(jobs, pods, events)
    if not is_awaited:
        return _Jobs(shown, [])
    # A selector may leave out the Job whose result is awaited.
    of_pipeline = jobs_of(cluster, environment) if selector else jobs_among(jobs, pods)
    return _Jobs(shown, of_pipeline)


def _models(cluster: Cluster, environment: Environment, selector: str) -> _Models:
    namespace = environment.namespaces.serving
    try:
        return _Models(cluster.objects(SELDON_DEPLOYMENTS, namespace, selector))
    except NotServedError as error:
        return _Models([], str(error))


def _job(view: JobView, snapshot: Snapshot) -> JobStatus:
    notes = [note(view, snapshot), _by_hand(view)]
    return JobStatus(
        name=view.name,
        labels=view.labels,
        phase=view.phase,
        attempt=len(view.pods),
        seconds=_seconds(view),
        message="; ".join(filter(None, notes)),
    )


def _by_hand(view: JobView) -> str:
    """Who beside Flux and the controllers owns a field of the spec; empty where nobody does."""
    for entry in view.job["metadata"].get("managedFields", ()):
        manager = entry["manager"]
        if manager not in _OWN_MANAGERS and "f:spec" in entry.get("fieldsV1", {}):
            return (
                f"was edited with {manager}, git says otherwise; "
                "delete the Job and Flux makes git's"
            )
    return ""


def _seconds(view: JobView) -> float:
    """From the start of a Job to its end, or to now; 0 while it has not started."""
    status = view.job.get("status", {})
    started = _time(status.get("startTime"))
    if not started:
        return 0.0
    # Only a Job that has succeeded has a completionTime.
    failed = conditions_of(view.job).get("Failed", {}).get("lastTransitionTime")
    end = _time(status.get("completionTime") or failed) or time.time()
    return round(end - started, 1)


def _time(text: str | None) -> float | None:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() if text else None


def _model(deployment: Object) -> ModelStatus:
    status = deployment.get("status", {})
    return ModelStatus(
        model=deployment["metadata"]["name"],
        labels=deployment["metadata"].get("labels", {}),
        rollout=None,
        state=status.get("state", _UNSEEN),
        url=status.get("address", {}).get("url", "no address yet"),
        predictors=tuple(_predictors(deployment)),
        message=status.get("description", ""),
    )


def _predictors(deployment: Object) -> Iterator[PredictorStatus]:
    name = deployment["metadata"]["name"]
    there = deployment.get("status", {}).get("deploymentStatus") or {}
    for predictor in deployment["spec"]["predictors"]:
        # The operator calls a predictor's Deployments <model>-<predictor>-<n>-<container>.
        prefix = f"{name}-{predictor['name']}-"
        mine = [one for key, one in there.items() if key.startswith(prefix)]
        ready = any(one.get("availableReplicas") for one in mine)
        yield PredictorStatus(
            name=predictor["name"],
            run=predictor.get("annotations", {}).get(RUN, predictor["name"]),
            weight=predictor.get("traffic", 0),
            ready=ready,
            message="ready" if ready else "not ready",
        )


def _missing(snapshot: Snapshot, environment: Environment, there: set[str]) -> Iterator[str]:
    """Jobs that git asks for and the cluster does not have."""
    for path, raw in sorted(snapshot.files.items()):
        is_training = part_of(path) == "training" and owner_of(path) == environment.name
        if not is_training or file_of(path) != "kustomization.yaml":
            continue
        job = job_name(raw)
        if job not in there:
            yield (
                f"Job {job} is in git and not in the cluster; "
                "Flux makes it at its next look, at most 10 minutes from now"
            )


def _stale(snapshot: Snapshot, environment: Environment) -> Iterator[str]:
    """Rendered files that do not follow from the documents, such as an overlay edited by hand."""
    changes = drift(snapshot)
    folder = f"{environment_folder(environment.name)}/"
    mine = sorted(path for path in {*changes.write, *changes.delete} if path.startswith(folder))
    if mine:
        yield (
            f"{mine[0]} does not follow from the documents ({len(mine)} such files); "
            "run `ml-pipeline render` and commit"
        )
