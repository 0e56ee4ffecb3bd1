"""What a cluster shows to `reconcile`.

That is failed Jobs, what pods have said, results in MLflow, SeldonDeployments. What cannot be read
is held and named.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import replace

from ml_pipeline.adapters.kubernetes import JOBS, PODS, SELDON_DEPLOYMENTS, Cluster
from ml_pipeline.adapters.mlflow.server import Login
from ml_pipeline.adapters.mlflow.tracking import Tracking
from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.environments.records import Traffic
from ml_pipeline.layout import environment_path
from ml_pipeline.rules.automation.observed import Hold, Observed, ObservedJob
from ml_pipeline.rules.automation.termination import Verified, read_messages, verify
from ml_pipeline.rules.diagnosis.job_view import JobView, pod_ends, views
from ml_pipeline.rules.diagnosis.pods import failure
from ml_pipeline.rules.kustomize.objects import Object
from ml_pipeline.rules.render.serving import TARGET
from ml_pipeline.rules.rollout.evidence import ServingStatus

_PIPELINE, _TRAINING = "pipeline", "ml-training"
SELECTOR = f"{_PIPELINE}={_TRAINING}"
"""Labels of every Job of data and runs, and of their pods."""


def tracking_uri(environment: Environment) -> str:
    """Address of MLflow from here: MLFLOW_TRACKING_URI where it differs from that of pods."""
    return os.environ.get("MLFLOW_TRACKING_URI", environment.tracking.uri)


def login(environment: Environment) -> Login:
    """How this process logs in to MLflow: by its own environment variables."""
    return Login.of(environment_path(environment.name), environment.tracking.secret)


class Observer:
    """Looks at a cluster, and remembers between two looks what MLflow has said for good.

    `traffic` tells what was measured of each model: routed weights and evidence.
    """

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
            jobs = jobs_of(self.cluster, environment)
            serving = _serving(self.cluster, environment, self.traffic())
        except PipelineError as error:
            # Jobs that were read before still count: each part stands by itself.
            held.append(Hold("cluster", str(error)))
        verified = self.verified(environment, jobs, awaited)
        return Observed(
            self.name,
            verified.results,
            _failed(jobs, snapshot),
            serving,
            unknown=verified.unknown,
            holds=(*held, *verified.holds),
        )

    def verified(
        self, environment: Environment, jobs: Iterable[JobView], awaited: set[str]
    ) -> Verified:
        """Results of awaited identities that pods have spoken of, and why others are not taken."""
        messages = read_messages((_seen(view, environment) for view in jobs), awaited)
        answer = self._mlflow(environment).look(messages.by_identity)
        verified = verify(messages, answer.results, answer.refused)
        return replace(verified, holds=(*answer.held, *verified.holds))

    def _mlflow(self, environment: Environment) -> Tracking:
        """MLflow at its present address."""
        uri = tracking_uri(environment)
        if self._tracking is None or self._tracking.uri != uri:
            self._tracking = Tracking(uri, login(environment))
        return self._tracking


def jobs_of(cluster: Cluster, environment: Environment) -> list[JobView]:
    """Jobs of data and runs, with their pods."""
    namespace = environment.namespaces.training
    jobs = cluster.objects(JOBS, namespace, SELECTOR)
    pods = cluster.objects(PODS, namespace, SELECTOR) if jobs else []
    return _with_identity(jobs, pods)


def jobs_among(jobs: Iterable[Object], pods: Iterable[Object]) -> list[JobView]:
    """The same, picked from all Jobs and pods of the namespace, which were read before."""
    return _with_identity(filter(_is_selected, jobs), filter(_is_selected, pods))


def _is_selected(manifest: Object) -> bool:
    return bool(manifest["metadata"].get("labels", {}).get(_PIPELINE) == _TRAINING)


def _with_identity(jobs: Iterable[Object], pods: Iterable[Object]) -> list[JobView]:
    return [view for view in views(jobs, pods, ()) if view.identity]


def _failed(jobs: Iterable[JobView], snapshot: Snapshot) -> dict[str, str]:
    """Reasons of failed Jobs by the short identity of what they were to do."""
    return {view.identity: failure(view, snapshot) for view in jobs if view.phase == "Failed"}


def _seen(view: JobView, environment: Environment) -> ObservedJob:
    """A Job with what its pods have said. Flux makes one that was deleted again soon."""
    command = f"kubectl -n {environment.namespaces.training} delete job {view.name}"
    again = f"delete the Job with `{command}`: the next one says again what has finished"
    complete = view.phase == "Complete"
    return ObservedJob(view.name, view.identity, complete, view.ended, again, pod_ends(view))


def _serving(
    cluster: Cluster, environment: Environment, traffic: Traffic
) -> dict[str, ServingStatus]:
    """What serves and what was measured of it; a model that nobody measures is not judged."""
    serving: dict[str, ServingStatus] = {}
    for deployment in cluster.objects(SELDON_DEPLOYMENTS, environment.namespaces.serving):
        name = deployment["metadata"]["name"]
        target = deployment["metadata"].get("annotations", {}).get(TARGET)
        measured = traffic.get(name)
        # What was measured of another target says nothing of what serves now.
        if measured and target == measured.rollout:
            serving[name] = measured
    return serving
