"""The SeldonDeployments of a cluster served on this machine.

A bridge for tests and laptops whose cluster has no Seldon operator: the same predictors and the same router as in the embedded
environment, told by the API server instead of by git. It writes the status that the operator writes, as far as Flux reads it.
"""

import logging
import signal
import time
from typing import Any

from ml_pipeline.adapters.git import Repository
from ml_pipeline.adapters.kubernetes import SELDON_DEPLOYMENTS, Cluster
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.local.builds import check_shape
from ml_pipeline.local.images import Images
from ml_pipeline.local.pods import Pods
from ml_pipeline.local.router import Router
from ml_pipeline.local.services import Service, Services, program
from ml_pipeline.local.serving import Serving
from ml_pipeline.local.state import State, free_port
from ml_pipeline.rules.seldon import webhook_faults

log = logging.getLogger("ml_pipeline.local")
TICK_SECONDS, LIST_SECONDS, STOP_SECONDS = 0.1, 0.2, 30.0


class Bridge:
    """The predictors of one namespace of a cluster."""

    def __init__(self, state: State, repository: Repository, namespace: str, cluster: Cluster) -> None:
        self.state, self.namespace, self.cluster = state, namespace, cluster
        ports = {service: free_port() for service in ("endpoint", "admin")}
        state.write("endpoints", ports)
        self.pods = Pods(state, Images(state, repository), {})
        router = Router(state, ports["admin"], ports["endpoint"])
        self.serving = Serving(state, self.pods, router)
        self.services = Services(state, self.pods, [Service("envoy", router.command(program("envoy")), router.prepare)])
        self.told: dict[str, dict[str, Any]] = {}
        self.listed = 0.0
        self.stopping = False

    def run(self) -> None:
        """Until SIGTERM."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        while not self.stopping:
            try:
                self.services.tick()
                if time.monotonic() - self.listed > LIST_SECONDS:
                    self._follow()
                self.serving.tick()
                self._tell()
            except PipelineError as error:
                log.error("%s", error)
                time.sleep(1)
            time.sleep(TICK_SECONDS)
        self.pods.stop_all(STOP_SECONDS)

    def _follow(self) -> None:
        deployments = self.cluster.objects(SELDON_DEPLOYMENTS, self.namespace)
        for deployment in deployments:
            check_shape(deployment)
        refused = {d["metadata"]["name"]: faults for d in deployments if (faults := webhook_faults(d))}
        for name, faults in refused.items():
            log.error("SeldonDeployment %s: the operator's webhook would refuse it: %s", name, "; ".join(faults))
        self.serving.apply([d for d in deployments if d["metadata"]["name"] not in refused])
        self.listed = time.monotonic()

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

    def _on_stop(self, *_: object) -> None:
        self.stopping = True


def operator_status(deployment: dict[str, Any], shown: dict[str, Any]) -> dict[str, Any]:
    """Status as the operator 1.17.1 writes it: `state`, the address, and a Deployment for each predictor
    (https://github.com/SeldonIO/seldon-core, operator/apis/machinelearning.seldon.io/v1)."""
    name = deployment["metadata"]["name"]
    deployments: dict[str, Any] = dict.fromkeys(deployment.get("status", {}).get("deploymentStatus") or {})
    for predictor, seen in zip(deployment["spec"]["predictors"], shown["predictors"], strict=True):
        containers = "-".join(c["name"] for c in predictor["componentSpecs"][0]["spec"]["containers"])
        count = int(seen["ready"])
        deployments[f"{name}-{predictor['name']}-0-{containers}"] = {"replicas": 1, "availableReplicas": count}
    available = shown["state"] == "Available"
    condition = {"type": "Ready", "status": "True" if available else "False", "reason": shown["state"]}
    return {
        "state": shown["state"],
        "description": "" if available else "; ".join(p["message"] for p in shown["predictors"] if not p["ready"]),
        "replicas": sum(p["ready"] for p in shown["predictors"]),
        "address": {"url": shown["url"]},
        "deploymentStatus": deployments,
        "conditions": [condition],
    }
