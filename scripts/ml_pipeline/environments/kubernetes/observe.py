"""What a cluster shows to `reconcile`: failed Jobs, what pods have said, results in MLflow, SeldonDeployments. What cannot be
read is held and named."""

import os
from collections.abc import Callable, Mapping

from ml_pipeline.adapters.kubernetes import JOBS, PODS, SELDON_DEPLOYMENTS, Cluster
from ml_pipeline.adapters.mlflow.server import Login
from ml_pipeline.adapters.mlflow.tracking import Tracking
from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.automation.observed import Hold, Observed
from ml_pipeline.rules.automation.words import SeenJob, hear, vouch
from ml_pipeline.rules.diagnosis.pods import JobView, failure, pod_ends, views
from ml_pipeline.rules.render.serving import TARGET
from ml_pipeline.rules.rollout.evidence import ServingStatus

Traffic = Mapping[str, ServingStatus]


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
        serving: dict[str, ServingStatus] = {}
        try:
            jobs = _jobs(self.cluster, environment)
            serving = _serving(self.cluster, environment, self.traffic())
        except PipelineError as error:
            held.append(Hold("cluster", str(error)))
        heard = hear((_seen(view, environment) for view in jobs), awaited)
        found = self._mlflow(environment).look(heard.words)
        vouched = vouch(heard, found.results, found.refused)
        return Observed(
            self.name,
            vouched.results,
            _failed(jobs, snapshot),
            serving,
            unknown=vouched.unknown,
            held=(*held, *found.held, *vouched.held),
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


def _seen(view: JobView, environment: Environment) -> SeenJob:
    """A Job as the rule of words takes it. Flux makes one that was deleted again at its next look."""
    command = f"kubectl -n {environment.namespaces.training} delete job {view.name}"
    again = f"delete the Job with `{command}`: the next one says again what has finished"
    complete = view.phase == "Complete"
    return SeenJob(view.name, view.identity, complete, view.ended, again, pod_ends(view))


def _serving(
    cluster: Cluster, environment: Environment, traffic: Traffic
) -> dict[str, ServingStatus]:
    """What serves and what was measured of it; a model that nobody measures is not judged."""
    found: dict[str, ServingStatus] = {}
    for deployment in cluster.objects(SELDON_DEPLOYMENTS, environment.namespaces.serving):
        name = deployment["metadata"]["name"]
        measured = traffic.get(name)
        target = deployment["metadata"].get("annotations", {}).get(TARGET)
        if measured and target == measured.rollout:
            found[name] = measured
    return found
