"""The SeldonDeployments of a cluster served on this machine.

A bridge for tests and laptops whose cluster has no Seldon operator: the same predictors and the
same router as in the embedded environment, told by the API server instead of by git. It writes the
status that the operator writes, as far as Flux reads it.
"""

import logging
import time
from collections.abc import Mapping

from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.adapters.kubernetes import SELDON_DEPLOYMENTS, Cluster
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.environments.embedded import records
from ml_pipeline.environments.embedded.images import Images
from ml_pipeline.environments.embedded.loop import STOP_SECONDS, run_until_stopped
from ml_pipeline.environments.embedded.pods import Pods
from ml_pipeline.environments.embedded.records import Endpoints
from ml_pipeline.environments.embedded.router import Router
from ml_pipeline.environments.embedded.services import Service, Services, program
from ml_pipeline.environments.embedded.serving import Serving
from ml_pipeline.environments.embedded.shape import check_shape
from ml_pipeline.environments.embedded.state import Json, State, free_port
from ml_pipeline.rules.kustomize.objects import Object
from ml_pipeline.rules.review.seldon import webhook_faults
from ml_pipeline.rules.rollout.evidence import ServingStatus

log = logging.getLogger("ml_pipeline.embedded")
LIST_SECONDS = 0.2


class Bridge:
    """The predictors of one namespace of a cluster."""

    def __init__(
        self, state: State, repository: Repository, namespace: str, cluster: Cluster
    ) -> None:
        self.state, self.namespace, self.cluster = state, namespace, cluster
        port = free_port()
        records.save_endpoints(state, Endpoints(endpoint=port))
        self.pods = Pods(state, Images(state, repository), {})
        router = Router(state, port)
        self.serving = Serving(state, self.pods, router)
        envoy = Service("envoy", router.command(program("envoy")), router.prepare)
        self.services = Services(state, self.pods, [envoy])
        self.statuses: dict[str, Json] = {}
        self.refusals: dict[str, str] = {}
        self.listed = 0.0

    def run(self) -> None:
        """Until SIGTERM."""
        run_until_stopped(self._tick, PipelineError, lambda error: f"{error}; what serves goes on")
        # Nobody ticks any more: what ends now is not started again.
        self.pods.stop_all(STOP_SECONDS)

    def _tick(self) -> None:
        self.services.tick()
        if time.monotonic() - self.listed > LIST_SECONDS:
            self._follow()
        self.serving.tick()
        self._tell()

    def _follow(self) -> None:
        """Take over what the API server has.

        Of what the operator's webhook would have refused, what served before stays.
        """
        desired: list[Object] = []
        kept: list[Object] = []
        refusals = {}
        for deployment in self.cluster.objects(SELDON_DEPLOYMENTS, self.namespace):
            name = deployment["metadata"]["name"]
            refusal = _refusal(deployment)
            if not refusal:
                desired.append(deployment)
                continue
            refusals[name] = refusal
            if name in self.serving.desired:
                kept.append(self.serving.desired[name])
        self._log_new(refusals)
        self.serving.apply([*desired, *kept])
        # At the end: where the API server did not answer, the next tick asks again.
        self.refusals, self.listed = refusals, time.monotonic()

    def _log_new(self, refusals: Mapping[str, str]) -> None:
        """Say once why a deployment is not served."""
        for name in refusals.keys() - self.refusals.keys():
            log.error(
                "SeldonDeployment %s: the operator's webhook would refuse it: %s",
                name,
                refusals[name],
            )

    def _tell(self) -> None:
        """Write each status that has changed."""
        for model, deployment in self.serving.desired.items():
            serving = records.serving(self.state, model)
            if serving is None:
                continue
            status = operator_status(deployment, serving)
            if self.statuses.get(model) != status:
                self.cluster.patch_status(SELDON_DEPLOYMENTS, self.namespace, model, status)
                # After the API server has it: where it did not answer, it is told again.
                self.statuses[model] = status


def operator_status(deployment: Object, serving: ServingStatus) -> Json:
    """Status as the operator 1.17.1 writes it.

    It has `state`, the address, and a Deployment for each predictor
    (https://github.com/SeldonIO/seldon-core, operator/apis/machinelearning.seldon.io/v1).
    """
    messages = [each.message for each in serving.predictors if not each.ready]
    is_available = serving.state == "Available"
    condition = {
        "type": "Ready",
        "status": "True" if is_available else "False",
        "reason": serving.state,
    }
    return {
        "state": serving.state,
        "description": "" if is_available else "; ".join(messages),
        "replicas": sum(each.ready for each in serving.predictors),
        "address": {"url": serving.url},
        "deploymentStatus": _deployment_status(deployment, serving),
        "conditions": [condition],
    }


def _deployment_status(deployment: Object, serving: ServingStatus) -> Json:
    """Replicas of each predictor's Deployment."""
    # The status is merged: of a predictor that left, None takes away what was said before.
    before = deployment.get("status", {}).get("deploymentStatus") or {}
    replicas: Json = dict.fromkeys(before)
    name = deployment["metadata"]["name"]
    predictors = deployment["spec"]["predictors"]
    for predictor, status in zip(predictors, serving.predictors, strict=True):
        containers = predictor["componentSpecs"][0]["spec"]["containers"]
        names = "-".join(container["name"] for container in containers)
        replicas[f"{name}-{predictor['name']}-0-{names}"] = {
            "replicas": 1,
            "availableReplicas": int(status.ready),
        }
    return replicas


def _refusal(deployment: Object) -> str:
    """Why a SeldonDeployment cannot be served, empty where it can."""
    try:
        check_shape(deployment)
    except PipelineError as error:
        return str(error)
    return "; ".join(webhook_faults(deployment))
