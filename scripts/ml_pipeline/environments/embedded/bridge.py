"""The SeldonDeployments of a cluster served on this machine.

A bridge for tests and laptops whose cluster has no Seldon operator: the same predictors and the same router as in the embedded
environment, told by the API server instead of by git. It writes the status that the operator writes, as far as Flux reads it.
"""

import logging
import time
from collections.abc import Mapping
from typing import Any

from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.adapters.kubernetes import SELDON_DEPLOYMENTS, Cluster
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.environments.embedded.builds import check_shape
from ml_pipeline.environments.embedded.images import Images
from ml_pipeline.environments.embedded.loop import run_until_stopped
from ml_pipeline.environments.embedded.pods import Pods
from ml_pipeline.environments.embedded.router import Router
from ml_pipeline.environments.embedded.services import Service, Services, program
from ml_pipeline.environments.embedded.serving import Serving
from ml_pipeline.environments.embedded.state import State, free_port
from ml_pipeline.rules.kustomize.objects import Object
from ml_pipeline.rules.review.seldon import webhook_faults

log = logging.getLogger("ml_pipeline.embedded")
LIST_SECONDS = 0.2


class Bridge:
    """The predictors of one namespace of a cluster."""

    def __init__(
        self, state: State, repository: Repository, namespace: str, cluster: Cluster
    ) -> None:
        self.state, self.namespace, self.cluster = state, namespace, cluster
        ports = {"endpoint": free_port()}
        state.write("endpoints", ports)
        self.pods = Pods(state, Images(state, repository), {})
        router = Router(state, ports["endpoint"])
        self.serving = Serving(state, self.pods, router)
        self.services = Services(
            state, self.pods, [Service("envoy", router.command(program("envoy")), router.prepare)]
        )
        self.told: dict[str, dict[str, Any]] = {}
        self.refused: dict[str, str] = {}
        self.listed = 0.0

    def run(self) -> None:
        """Until SIGTERM."""
        run_until_stopped(
            self._tick, self.pods, PipelineError, lambda error: f"{error}; what serves goes on"
        )

    def _tick(self) -> None:
        self.services.tick()
        if time.monotonic() - self.listed > LIST_SECONDS:
            self._follow()
        self.serving.tick()
        self._tell()

    def _follow(self) -> None:
        """Take over what the API server has; of what the operator's webhook would have refused, what served before stays."""
        found = {
            d["metadata"]["name"]: d
            for d in self.cluster.objects(SELDON_DEPLOYMENTS, self.namespace)
        }
        refused = {name: why for name, deployment in found.items() if (why := _refusal(deployment))}
        for name in refused.keys() - self.refused.keys():
            log.error(
                "SeldonDeployment %s: the operator's webhook would refuse it: %s",
                name,
                refused[name],
            )
        before = {
            name: self.serving.desired[name]
            for name in refused.keys() & self.serving.desired.keys()
        }
        self.serving.apply(
            [*(d for name, d in found.items() if name not in refused), *before.values()]
        )
        self.refused, self.listed = refused, time.monotonic()

    def _tell(self) -> None:
        """Write each status that has changed."""
        for model, deployment in self.serving.desired.items():
            shown = self.state.read(f"serving/{model}")
            if shown is None:
                continue
            status = operator_status(deployment, shown)
            if self.told.get(model) != status:
                self.cluster.patch_status(SELDON_DEPLOYMENTS, self.namespace, model, status)
                self.told[model] = status


def operator_status(deployment: Mapping[str, Any], shown: dict[str, Any]) -> dict[str, Any]:
    """Status as the operator 1.17.1 writes it: `state`, the address, and a Deployment for each predictor
    (https://github.com/SeldonIO/seldon-core, operator/apis/machinelearning.seldon.io/v1)."""
    name = deployment["metadata"]["name"]
    deployments: dict[str, Any] = dict.fromkeys(
        deployment.get("status", {}).get("deploymentStatus") or {}
    )
    for predictor, seen in zip(deployment["spec"]["predictors"], shown["predictors"], strict=True):
        containers = "-".join(
            c["name"] for c in predictor["componentSpecs"][0]["spec"]["containers"]
        )
        count = int(seen["ready"])
        deployments[f"{name}-{predictor['name']}-0-{containers}"] = {
            "replicas": 1,
            "availableReplicas": count,
        }
    available = shown["state"] == "Available"
    condition = {
        "type": "Ready",
        "status": "True" if available else "False",
        "reason": shown["state"],
    }
    return {
        "state": shown["state"],
        "description": ""
        if available
        else "; ".join(p["message"] for p in shown["predictors"] if not p["ready"]),
        "replicas": sum(p["ready"] for p in shown["predictors"]),
        "address": {"url": shown["url"]},
        "deploymentStatus": deployments,
        "conditions": [condition],
    }


def _refusal(deployment: Object) -> str:
    """Why a SeldonDeployment cannot be served, empty where it can."""
    try:
        check_shape(deployment)
    except PipelineError as error:
        return str(error)
    return "; ".join(webhook_faults(deployment))
