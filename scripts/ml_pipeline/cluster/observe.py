"""What a cluster shows to `reconcile`: failed Jobs, results in MLflow, SeldonDeployments. What cannot be read is held and named."""

import os
from collections.abc import Mapping
from typing import Any

from ml_pipeline.adapters.kubernetes import JOBS, PODS, SELDON_DEPLOYMENTS, Cluster
from ml_pipeline.adapters.mlflow import Tracking
from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.faults import PipelineError, UnavailableError
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.observed import Observed
from ml_pipeline.rules.pods import failure, views
from ml_pipeline.rules.serving import TARGET

Traffic = Mapping[str, Mapping[str, Any]]


def tracking_uri(environment: Environment) -> str:
    """Address of MLflow from here: MLFLOW_TRACKING_URI where it differs from the one that pods use."""
    return os.environ.get("MLFLOW_TRACKING_URI", environment.tracking.uri)


def observe(
    cluster: Cluster, snapshot: Snapshot, name: str, awaited: set[str], traffic: Traffic
) -> Observed:
    """One look at an environment. `traffic` is what was measured of each model: routed weights and evidence."""
    environment = snapshot.environments[name]
    held: list[str] = []
    results: dict[str, dict[str, Any]] = {}
    failed: dict[str, str] = {}
    serving: dict[str, dict[str, Any]] = {}
    try:
        results = Tracking(tracking_uri(environment)).results(awaited)
    except UnavailableError as error:
        held.append(str(error))
    try:
        failed = _failed(cluster, snapshot, environment)
        serving = _serving(cluster, environment, traffic)
    except PipelineError as error:
        held.append(str(error))
    return Observed(name, results, failed, serving, held=tuple(held))


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
