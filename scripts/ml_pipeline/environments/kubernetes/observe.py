"""What a cluster shows to `reconcile`: failed Jobs, what pods have said, results in MLflow, SeldonDeployments. What cannot be
read is held and named."""

import os
from collections.abc import Callable, Mapping
from typing import Any

from ml_pipeline.adapters.kubernetes import JOBS, PODS, SELDON_DEPLOYMENTS, Cluster
from ml_pipeline.adapters.mlflow.tracking import Login, Tracking
from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.automation.observed import Hold, Observed, ObservedJob
from ml_pipeline.rules.automation.termination import read_messages, verify
from ml_pipeline.rules.diagnosis.job_view import JobView, pod_ends, views
from ml_pipeline.rules.diagnosis.pods import failure
from ml_pipeline.rules.render.serving import TARGET

Traffic = Mapping[str, Mapping[str, Any]]


def tracking_uri(environment: Environment) -> str:
    """Address of MLflow from here: MLFLOW_TRACKING_URI where it differs from the one that pods use."""
    return os.environ.get("MLFLOW_TRACKING_URI", environment.tracking.uri)


def login(environment: Environment) -> Login:
    """How this process logs in to MLflow: by its own environment variables."""
    path = f"environments/{environment.name}/environment.yaml"
    return Login.of(path, environment.tracking.secret)


class Observer:
    """Looks at a cluster, and remembers between two looks what MLflow has said for good. `traffic` tells what was measured
    of each model: routed weights and evidence."""

    def __init__(self, cluster: Cluster, name: str, traffic: Callable[[], Traffic]) -> None:
        self.cluster, self.name, self.traffic = cluster, name, traffic
        self._tracking: Tracking | None = None

    def look(self, snapshot: Snapshot, awaited: set[str]) -> Observed:
        """One look at an environment."""
        environment = snapshot.environments[self.name]
        held: list[Hold] = []
        jobs: list[JobView] = []
        serving: dict[str, dict[str, Any]] = {}
        try:
            jobs = _jobs(self.cluster, environment)
            serving = _serving(self.cluster, environment, self.traffic())
        except PipelineError as error:
            held.append(Hold("cluster", str(error)))
        messages = read_messages((_seen(view, environment) for view in jobs), awaited)
        found = self._mlflow(environment).look(messages.by_identity)
        verified = verify(messages, found.results, found.refused)
        return Observed(
            self.name,
            verified.results,
            _failed(jobs, snapshot),
            serving,
            unknown=verified.unknown,
            holds=(*held, *found.held, *verified.holds),
        )

    def _mlflow(self, environment: Environment) -> Tracking:
        """MLflow at its present address."""
        uri = tracking_uri(environment)
        if self._tracking is None or self._tracking.uri != uri:
            self._tracking = Tracking(uri, login(environment))
        return self._tracking


def _jobs(cluster: Cluster, environment: Environment) -> list[JobView]:
    """Jobs of data and runs, with their pods."""
    namespace = environment.namespaces.training
    jobs = cluster.objects(JOBS, namespace, "pipeline=ml-training")
    pods = cluster.objects(PODS, namespace, "pipeline=ml-training") if jobs else []
    return [view for view in views(jobs, pods, ()) if view.identity]


def _failed(jobs: list[JobView], snapshot: Snapshot) -> dict[str, str]:
    """Reasons of failed Jobs by the short identity of what they were to do."""
    return {view.identity: failure(view, snapshot) for view in jobs if view.phase == "Failed"}


def _seen(view: JobView, environment: Environment) -> ObservedJob:
    """A Job as `rules/automation/termination.py` takes it. Flux makes one that was deleted again at its next look."""
    command = f"kubectl -n {environment.namespaces.training} delete job {view.name}"
    again = f"delete the Job with `{command}`: the next one says again what has finished"
    complete = view.phase == "Complete"
    return ObservedJob(view.name, view.identity, complete, view.ended, again, pod_ends(view))


def _serving(
    cluster: Cluster, environment: Environment, traffic: Traffic
) -> dict[str, dict[str, Any]]:
    """What serves and what was measured of it; a model that nobody measures is not judged."""
    found: dict[str, dict[str, Any]] = {}
    for deployment in cluster.objects(SELDON_DEPLOYMENTS, environment.namespaces.serving):
        name = deployment["metadata"]["name"]
        measured = traffic.get(name)
        if (
            measured
            and deployment["metadata"].get("annotations", {}).get(TARGET) == measured["rollout"]
        ):
            found[name] = dict(measured)
    return found
