"""From an environment's facts to what an administrator applies once, `environments/<env>/flux/`: namespaces, rights, and
the Flux objects that reconcile this repository. Nothing that git can merge later widens those rights."""

from typing import Any

from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.documents.writer import to_yaml
from ml_pipeline.rules.overlays import in_namespace, kustomization_file, operation, patch

RECEIVER, RECEIVER_TOKEN, CLUSTER = "generic-hmac", "receiver-token", "ml-pipeline/cluster"
PARTS = ("platform", "training", "serving")
_BASES = ("data-job", "training-job", "serving", "components", "platform")


def flux_overlays(snapshot: Snapshot) -> dict[str, bytes]:
    """Overlays of base/flux for every environment that Flux reconciles."""
    rendered: dict[str, bytes] = {}
    for environment in snapshot.environments.values():
        if environment.runtime == "kubernetes":
            rendered |= {f"environments/{environment.name}/flux/{path}": to_yaml(body) for path, body in _overlay(environment).items()}
    return rendered


def _overlay(environment: Environment) -> dict[str, dict[str, Any]]:
    names = environment.namespaces
    subjects = {"kind": "(Cluster)?RoleBinding", "name": "platform|apply|reconcile|.*-platform"}
    return {
        "kustomization.yaml": kustomization_file(
            resources=["cluster", *sorted(PARTS)],
            labels=[{"pairs": {"ml-pipeline/environment": environment.name}}],
            patches=[patch(subjects, operation("/subjects/0/namespace", names.platform))],
        ),
        "cluster/kustomization.yaml": kustomization_file(namePrefix=f"{environment.name}-", resources=["../../../../base/flux/cluster"]),
        "platform/kustomization.yaml": _platform(environment),
        "training/kustomization.yaml": in_namespace(names.training, ["../../../../base/flux/training"]),
        "serving/kustomization.yaml": in_namespace(names.serving, ["../../../../base/flux/serving"]),
    }


def _platform(environment: Environment) -> dict[str, Any]:
    source = environment.source
    assert source is not None
    folder = f"environments/{environment.name}"
    repository = [
        operation("/spec/url", source.url),
        operation("/spec/ref/branch", environment.branch),
        operation("/spec/ignore", _ignore(folder), op="add"),
    ]
    if source.secret:
        repository.append(operation("/spec/secretRef", {"name": source.secret}, op="add"))
    patches = [patch({"kind": "GitRepository"}, *repository)]
    patches += [patch({"kind": "Kustomization", "name": part}, operation("/spec/path", f"./{folder}/{part}")) for part in PARTS]
    components = []
    if source.decryption:
        components.append("../../../../base/flux/decryption")
        secret = operation("/spec/decryption/secretRef/name", source.decryption)
        patches.append(patch({"kind": "Kustomization", "name": "platform"}, secret))
    if source.commit_status:
        components.append("../../../../base/flux/commit-status")
        provider = [operation("/spec/address", source.url.removesuffix(".git")), operation("/spec/secretRef/name", source.commit_status)]
        patches.append(patch({"kind": "Provider"}, *provider))
    more = {"components": components} if components else {}
    return in_namespace(environment.namespaces.platform, ["../../../../base/flux/platform"], **more, patches=patches)


def _ignore(folder: str) -> str:
    """gitignore rules that leave only what the cluster builds from: no experiments, receipts, code or documentation."""
    kept = ["/base/", f"/{folder}/"]
    inside = [f"/base/{name}/" for name in _BASES] + [f"/{folder}/{name}/" for name in (*PARTS, "rollouts")]
    return "".join(f"{line}\n" for line in ("/*", *(f"!{k}" for k in kept), "/base/*", f"/{folder}/*", *(f"!{i}" for i in inside)))
