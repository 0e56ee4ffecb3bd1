"""What a cluster shows to `reconcile`: failed Jobs, results in MLflow, SeldonDeployments. What cannot be read is held and named."""

import os
from collections.abc import Callable, Mapping
from typing import Any

from ml_pipeline.adapters.kubernetes import JOBS, PODS, SELDON_DEPLOYMENTS, Cluster
from ml_pipeline.adapters.mlflow import Tracking
from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.observed import Hold, Observed
from ml_pipeline.rules.pods import failure, views
from ml_pipeline.rules.serving import TARGET

Traffic = Mapping[str, Mapping[str, Any]]


def tracking_uri(environment: Environment) -> str:
    """Address of MLflow from here: MLFLOW_TRACKING_URI where it differs from the one that pods use."""
    return os.environ.get("MLFLOW_TRACKING_URI", environment.tracking.uri)


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
        failed: dict[str, str] = {}
        serving: dict[str, dict[str, Any]] = {}
        # Failed Jobs first: whatever a Job has left in MLflow was there before it failed, so that it is seen afterwards.
        try:
            failed = _failed(self.cluster, snapshot, environment)
            serving = _serving(self.cluster, environment, self.traffic())
        except PipelineError as error:
            held.append(Hold("cluster", str(error)))
        found = self._mlflow(environment).look(awaited, failed)
        return Observed(
            self.name,
            found.results,
            failed,
            serving,
            unknown=found.unknown,
            held=(*held, *found.held),
        )

    def _mlflow(self, environment: Environment) -> Tracking:
        """MLflow at its present address."""
        uri = tracking_uri(environment)
        if self._tracking is None or self._tracking.uri != uri:
            self._tracking = Tracking(uri)
        return self._tracking


def _failed(cluster: Cluster, snapshot: Snapshot, environment: Environment) -> dict[str, str]:
    """Reasons of failed Jobs by the short identity of what they were to do."""
    namespace = environment.namespaces.training
    jobs = cluster.objects(JOBS, namespace, "pipeline=ml-training")
    pods = cluster.objects(PODS, namespace, "pipeline=ml-training") if jobs else []
    return {
        view.identity: failure(view, snapshot)
        for view in views(jobs, pods, ())
        if view.phase == "Failed" and view.identity
    }


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
