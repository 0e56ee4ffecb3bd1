"""From an environment's facts to what Flux keeps there, `environments/<env>/platform/`.

Priorities, quotas, network, storage, `reconcile`. The folders `secrets/` and `team/` there are
people's own; each that has a kustomization is included.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.fields import cpu_cores, memory_bytes
from ml_pipeline.documents.snapshot import Files, Snapshot
from ml_pipeline.documents.writer import to_yaml
from ml_pipeline.layout import OWN, POLICIES, environment_folder
from ml_pipeline.rules.render.overlays import (
    in_namespace,
    kustomization_file,
    login,
    operation,
    patch,
)

_BASE = "../../../../base/platform"
_RENDERED = ("cluster", "serving", "training")
GUARD = "platform-stays-inside"
_PORTS = {"http": 80, "https": 443, "ssh": 22}
_ACCOUNTS = {"training": "trainer", "serving": "predictor"}


def platform_overlays(snapshot: Snapshot) -> dict[str, bytes]:
    """Overlays of base/platform, and the pods' ServiceAccounts, of what Flux reconciles."""
    rendered: dict[str, bytes] = {}
    for environment in snapshot.environments.values():
        if environment.runtime == "kubernetes":
            overlay = _overlay(snapshot, environment) | _accounts(environment)
            rendered |= {
                f"{environment_folder(environment.name)}/{path}": to_yaml(body)
                for path, body in overlay.items()
            }
    return rendered


def cluster_wide(environment: Environment, part: str) -> str:
    """Name of an object of the whole cluster that belongs to `training` or `serving`.

    That is a PriorityClass, or Kueue's queue.
    """
    return f"{environment.name}-{part}"


def applier(environment: Environment, part: str) -> str:
    """The user as which Flux applies a part of an environment."""
    return f"system:serviceaccount:{environment.namespaces.platform}:{part}"


def pod_identity(environment: Environment, part: str) -> dict[str, str]:
    """Who a pod of `training` or `serving` is, and what it may displace; nothing if embedded."""
    if environment.runtime == "embedded":
        return {}
    return {
        "serviceAccountName": _ACCOUNTS[part],
        "priorityClassName": cluster_wide(environment, part),
    }


def policies_overlay(
    files: Files, environment: Environment, environments: Mapping[str, Environment]
) -> dict[str, Any]:
    """The policies, which bind in the environment alone.

    `bootstrap` applies them: what is merged later cannot loosen them.
    """
    binding = {"kind": "ValidatingAdmissionPolicyBinding"}
    label = "/spec/matchResources/namespaceSelector/matchLabels/ml-pipeline~1environment"
    patches = [patch(binding, operation(label, environment.name, op="add"))]
    for name in _bindings(files):
        # An older kubectl gives a policy its prefix and leaves what names it, which binds nothing:
        # https://github.com/kubernetes-sigs/kustomize/issues/5674
        renamed = operation("/spec/policyName", f"{environment.name}-{name}")
        patches.append(patch({**binding, "name": name}, renamed))
    for name, expressions in _parameters(environment, environments).items():
        given = enumerate(expressions)
        operations = [operation(f"/spec/variables/{n}/expression", e) for n, e in given]
        patches.append(patch({"kind": "ValidatingAdmissionPolicy", "name": name}, *operations))
    asked = f"request.userInfo.username == {_cel(applier(environment, 'platform'))}"
    guard = {"kind": "ValidatingAdmissionPolicy", "name": GUARD}
    patches.append(patch(guard, operation("/spec/matchConditions/0/expression", asked)))
    return kustomization_file(
        namePrefix=f"{environment.name}-", resources=[f"{_BASE}/policies"], patches=patches
    )


def _cluster_overlay(environment: Environment) -> dict[str, Any]:
    """Objects of the whole cluster that Flux keeps."""
    # Their names begin with the environment's, as Flux's rights demand.
    queues = ["kueue/cluster"] if environment.kueue else []
    resources = [f"{_BASE}/{name}" for name in ("priorities", *queues)]
    patches = []
    if environment.kueue:
        hard = {"0": "requests.cpu", "1": "requests.memory", "2": "requests.nvidia.com~1gpu"}
        quota = [
            operation(
                f"/spec/resourceGroups/0/flavors/0/resources/{n}/nominalQuota",
                _hard(environment).get(k, "0"),
            )
            for n, k in hard.items()
        ]
        patches.append(
            patch(
                {"kind": "ClusterQueue"},
                *quota,
                operation(
                    "/spec/namespaceSelector/matchLabels/ml-pipeline~1environment",
                    environment.name,
                    op="add",
                ),
                operation(
                    "/spec/resourceGroups/0/flavors/0/name", cluster_wide(environment, "training")
                ),
            )
        )
    more = {"patches": patches} if patches else {}
    return kustomization_file(namePrefix=f"{environment.name}-", resources=resources, **more)


def _parameters(
    environment: Environment, environments: Mapping[str, Environment]
) -> dict[str, list[str]]:
    """What policies have to know of an environment.

    Those are the expressions of their first variables, in the order of base/.
    """
    training, serving = (pod_identity(environment, part) for part in ("training", "serving"))
    tracking, images = environment.tracking, environment.images
    surroundings = {
        "MLFLOW_TRACKING_URI": tracking.uri,
        "ARTIFACTS_URI": environment.artifacts.uri,
    }
    sources = [environments[name] for name in environment.promotes_from if name in environments]
    stores = [model_uri(source, "") for source in (environment, *sources)]
    secrets = [tracking.secret] if tracking.secret else []
    return {
        "images-are-pinned": [_cel(images.trainer.repository)],
        "jobs-are-accounted": [_cel(max(pool.gpus for pool in environment.pools))],
        "pods-are-contained": _identity(training),
        "containers-are-rendered": [_cel(surroundings), _cel(secrets)],
        GUARD: [_cel(environment.name)],
        "models-are-contained": [
            _cel(images.serving.repository),
            _cel(stores),
            *_identity(serving),
        ],
    }


def _identity(pod: dict[str, str]) -> list[str]:
    return [_cel(pod.get(key, "")) for key in ("serviceAccountName", "priorityClassName")]


def _cel(value: Any) -> str:
    """A literal of CEL, which takes those of JSON."""
    return json.dumps(value)


def model_uri(environment: Environment, path: str) -> str:
    """Address from which a model below the artifact store is served."""
    artifacts = environment.artifacts
    return f"pvc://{artifacts.claim}/{path}" if artifacts.claim else f"{artifacts.uri}/{path}"


def _accounts(environment: Environment) -> dict[str, dict[str, Any]]:
    """The identity of pods, without rights and without a token in its pods.

    A cloud's workload identity may be bound to it.
    """
    return {
        f"{part}/serviceaccount.yaml": {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": account, "namespace": getattr(environment.namespaces, part)},
            "automountServiceAccountToken": False,
        }
        for part, account in _ACCOUNTS.items()
    }


def _overlay(snapshot: Snapshot, environment: Environment) -> dict[str, dict[str, Any]]:
    files = snapshot.files
    training, serving = environment.namespaces.training, environment.namespaces.serving
    folder = environment_folder(environment.name, "platform")
    own = [name for name in OWN if f"{folder}/{name}/kustomization.yaml" in files]
    parts = [f"{_BASE}/{name}" for name in ("quotas", "storage", "network/training")]
    queue = [f"{_BASE}/kueue/training"] if environment.kueue else []
    quota = [
        operation(f"/spec/hard/{key}", value, op="add") for key, value in _hard(environment).items()
    ]
    patches = [patch({"kind": "ResourceQuota"}, *quota)]
    if queue:
        patches.append(
            patch(
                {"kind": "LocalQueue"},
                operation("/spec/clusterQueue", cluster_wide(environment, "training")),
            )
        )
    reconciler = _reconciler(environment)
    return {
        "platform/kustomization.yaml": kustomization_file(
            resources=sorted([*_RENDERED, *own, *(["reconcile"] if reconciler else [])]),
            labels=[{"pairs": {"ml-pipeline/environment": environment.name}}],
        ),
        "platform/cluster/kustomization.yaml": _cluster_overlay(environment),
        "platform/training/kustomization.yaml": in_namespace(
            training, parts + queue, patches=patches
        ),
        "platform/serving/kustomization.yaml": in_namespace(serving, [f"{_BASE}/network/serving"]),
        **reconciler,
    }


def _reconciler(environment: Environment) -> dict[str, dict[str, Any]]:
    """What commits in the cluster, where the environment names it.

    It runs in the platform namespace, as an account of that.
    """
    chosen, source = environment.reconcile, environment.source
    if chosen is None or source is None:
        return {}
    container = "/spec/template/spec/containers/0"
    where = {"--env": environment.name, "--clone": source.url, "--branch": environment.branch}
    deployment = [
        operation(f"{container}/image", f"{chosen.image.repository}@{chosen.image.digest}"),
        *(
            operation(f"{container}/args/-", f"{option}={value}", op="add")
            for option, value in where.items()
        ),
        *(operation(f"{container}/env/-", entry, op="add") for entry in login(environment)),
        operation("/spec/template/spec/volumes/0/secret/secretName", chosen.secret),
    ]
    network = [
        operation("/spec/egress/0/ports/0/port", _port(source.url)),
        operation("/spec/egress/1/ports/0/port", _port(environment.tracking.uri)),
    ]
    overlay = in_namespace(
        environment.namespaces.platform,
        [f"{_BASE}/reconcile"],
        patches=[
            patch({"kind": "Deployment"}, *deployment),
            patch({"kind": "NetworkPolicy"}, *network),
        ],
    )
    return {"platform/reconcile/kustomization.yaml": overlay}


def _port(address: str) -> int:
    """The TCP port of an address, the usual one of its scheme where it names none."""
    scheme, _, rest = address.partition("://")
    named = re.search(r":([0-9]+)\Z", rest.partition("/")[0])
    return int(named[1]) if named else _PORTS[scheme]


def _bindings(files: Files) -> Iterable[str]:
    suffix = "-binding.yaml"
    return sorted(
        p.rpartition("/")[2].removesuffix(suffix)
        for p in files
        if p.startswith(POLICIES) and p.endswith(suffix)
    )


def _hard(environment: Environment) -> dict[str, str]:
    """All that the pools have together, as quota; `/` in keys is escaped for JSON patches."""
    pools = environment.pools
    total = {
        "requests.cpu": f"{sum(cpu_cores(p.cpu) * p.nodes for p in pools):g}",
        "requests.memory": f"{sum(memory_bytes(p.memory) * p.nodes for p in pools) // 2**20}Mi",
    }
    gpus = sum(p.gpus * p.nodes for p in pools)
    return total | ({"requests.nvidia.com~1gpu": str(gpus)} if gpus else {})
