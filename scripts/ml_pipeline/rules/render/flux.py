"""From an environment's facts to what an administrator applies once, `environments/<env>/flux/`.

Namespaces, rights, and the Flux objects that reconcile this repository. Nothing that git can merge
later widens those rights.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import Any

from ml_pipeline.documents.environment import Environment, GitSource
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.documents.writer import to_yaml
from ml_pipeline.layout import SHORT, environment_folder
from ml_pipeline.rules.render.overlays import in_namespace, kustomization_file, operation, patch
from ml_pipeline.rules.render.platform import cluster_wide, policies_overlay

RECEIVER, RECEIVER_TOKEN, CLUSTER = "generic-hmac", "receiver-token", "ml-pipeline/cluster"
PARTS = ("platform", "training", "serving")
SOURCE, _DIGITS = "ml-pipeline", "0123456789abcdef"
_SOURCE = {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository"}
_BASES = ("data-job", "training-job", "serving", "components", "platform")


def flux_overlays(snapshot: Snapshot) -> dict[str, bytes]:
    """Overlays of base/flux for every environment that Flux reconciles."""
    rendered: dict[str, bytes] = {}
    for environment in snapshot.environments.values():
        if environment.runtime == "kubernetes":
            rendered |= {
                f"{environment_folder(environment.name, 'flux')}/{path}": to_yaml(body)
                for path, body in _overlay(snapshot, environment).items()
            }
    return rendered


def surplus(environment: Environment, names: Iterable[str]) -> list[str]:
    """Of the names of Kustomizations or GitRepositories, those of shards that are no longer there.

    Flux prunes only what bears the name of the Kustomization that made it: a Job of such a shard
    would run on after it was cancelled. So these go with their Jobs, which start again in the
    shards that are left, from their checkpoints.
    """
    shard = re.compile(rf"(?:training|{SOURCE})-([0-9]+)")
    found = ((name, shard.fullmatch(name)) for name in names)
    return sorted(name for name, m in found if m and int(m[1]) >= environment.training_shards)


def hook_path(token: str, namespace: str, name: str = RECEIVER) -> str:
    """Path of a Receiver's webhook, as notification-controller derives it from the token."""
    return f"/hook/{hashlib.sha256(f'{token}{name}{namespace}'.encode()).hexdigest()}"


def _overlay(snapshot: Snapshot, environment: Environment) -> dict[str, dict[str, Any]]:
    names = environment.namespaces
    shards = [f"shard-{number}" for number in range(1, environment.training_shards)]
    subjects = {"kind": "(Cluster)?RoleBinding", "name": "platform|apply|reconcile|.*-platform"}
    return {
        "kustomization.yaml": kustomization_file(
            resources=["cluster", *sorted(PARTS), *shards],
            labels=[{"pairs": {"ml-pipeline/environment": environment.name}}],
            patches=[patch(subjects, operation("/subjects/0/namespace", names.platform))],
        ),
        "cluster/kustomization.yaml": _cluster(snapshot, environment),
        "platform/kustomization.yaml": _platform(environment),
        "training/kustomization.yaml": in_namespace(
            names.training, ["../../../../base/flux/training"]
        ),
        "serving/kustomization.yaml": in_namespace(
            names.serving, ["../../../../base/flux/serving"]
        ),
        **{
            f"{shard}/kustomization.yaml": _shard(environment, number)
            for number, shard in enumerate(shards, 1)
        },
    }


def _cluster(snapshot: Snapshot, environment: Environment) -> dict[str, Any]:
    """Rights on the whole cluster, by the names of this environment's objects, and the policies."""
    overlay = policies_overlay(snapshot.files, environment, snapshot.environments)
    training, serving = (cluster_wide(environment, part) for part in ("training", "serving"))
    named = [
        operation("/rules/0/resourceNames", [training, serving]),
        operation("/rules/1/resourceNames", [training]),
    ]
    return {
        **overlay,
        "resources": ["../../../../base/flux/cluster", *overlay["resources"]],
        "patches": [
            patch({"kind": "ClusterRole"}, *named),
            *overlay["patches"],
        ],
    }


def _platform(environment: Environment) -> dict[str, Any]:
    source = environment.source
    assert source is not None
    patches = [patch({"kind": "GitRepository"}, *_repository(environment, source, 0))]
    patches += [
        patch(
            {"kind": "Kustomization", "name": part},
            operation("/spec/path", f"./environments/{environment.name}/{part}"),
        )
        for part in PARTS
    ]
    listened = [
        {**_SOURCE, "name": f"{SOURCE}-{number}"}
        for number in range(1, environment.training_shards)
    ]
    if listened:
        patches.append(
            patch(
                {"kind": "Receiver"},
                *(operation("/spec/resources/-", one, op="add") for one in listened),
            )
        )
    components = []
    if source.decryption:
        components.append("../../../../base/flux/decryption")
        secret = operation("/spec/decryption/secretRef/name", source.decryption)
        patches.append(patch({"kind": "Kustomization", "name": "platform"}, secret))
    if source.commit_status:
        components.append("../../../../base/flux/commit-status")
        provider = [
            operation("/spec/address", source.url.removesuffix(".git")),
            operation("/spec/secretRef/name", source.commit_status),
        ]
        patches.append(patch({"kind": "Provider"}, *provider))
    more = {"components": components} if components else {}
    return in_namespace(
        environment.namespaces.platform, ["../../../../base/flux/platform"], **more, patches=patches
    )


def _shard(environment: Environment, number: int) -> dict[str, Any]:
    """A source of its own and the Kustomization that trains from it."""
    assert environment.source is not None
    training = [
        operation("/spec/path", f"./environments/{environment.name}/training"),
        operation("/spec/sourceRef/name", f"{SOURCE}-{number}"),
    ]
    patches = [
        patch({"kind": "GitRepository"}, *_repository(environment, environment.source, number)),
        patch({"kind": "Kustomization"}, *training),
    ]
    return in_namespace(
        environment.namespaces.platform,
        ["../../../../base/flux/shard"],
        nameSuffix=f"-{number}",
        patches=patches,
    )


def _repository(environment: Environment, source: GitSource, shard: int) -> list[dict[str, Any]]:
    secret = (
        [operation("/spec/secretRef", {"name": source.secret}, op="add")] if source.secret else []
    )
    return [
        operation("/spec/url", source.url),
        operation("/spec/ref/branch", environment.branch),
        operation(
            "/spec/ignore", "".join(f"{line}\n" for line in _ignored(environment, shard)), op="add"
        ),
        *secret,
    ]


def _ignored(environment: Environment, shard: int) -> list[str]:
    """gitignore rules that leave only what the cluster builds from.

    Experiments, receipts, code and documentation are no part of it.
    Of the training overlays a shard sees those whose run has one of its first digits.
    """
    folder, training = (
        f"/environments/{environment.name}/",
        f"/environments/{environment.name}/training/",
    )
    inside = [f"/base/{name}/" for name in _BASES] + [
        f"{folder}{name}/" for name in (*PARTS, "rollouts")
    ]
    lines = [
        "/*",
        "!/base/",
        f"!{folder}",
        "/base/*",
        f"{folder}*",
        *(f"!{path}" for path in inside),
    ]
    if environment.training_shards > 1:
        share = len(_DIGITS) // environment.training_shards
        mine = _DIGITS[shard * share : (shard + 1) * share]
        lines += [f"{training}*", f"!{training}*-[{mine}]{'?' * (SHORT - 1)}-{'?' * SHORT}/"]
        lines += [f"!{training}serviceaccount.yaml"] if shard == 0 else []
    return lines
