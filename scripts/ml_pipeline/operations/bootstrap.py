"""`ml-pipeline bootstrap`: what a cluster needs, once, to reconcile this repository."""

import json
import secrets
from pathlib import Path

from ml_pipeline.adapters.git.revisions import open_tree
from ml_pipeline.adapters.kubernetes import (
    ANY,
    GIT_REPOSITORIES,
    KUSTOMIZATIONS,
    Cluster,
    NotServedError,
)
from ml_pipeline.adapters.kustomize import Overlays
from ml_pipeline.commands import console
from ml_pipeline.documents.environment import Environment, GitSource
from ml_pipeline.documents.faults import InvalidDocumentsError, PipelineError
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.render.drift import drift
from ml_pipeline.rules.render.flux import CLUSTER, RECEIVER_TOKEN, SOURCE, hook_path, surplus
from ml_pipeline.rules.review.closed_world import place_faults, strays
from ml_pipeline.rules.review.faults import checked_snapshot

_FLUX_CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/kustomizations.kustomize.toolkit.fluxcd.io"


def bootstrap(repo: Path, environment: str, *, apply: bool = False, cluster: Cluster = ANY) -> int:
    """Print the namespaces, rights and Flux objects of an environment as YAML; with `apply`, apply them as an administrator."""
    snapshot = checked_snapshot(open_tree(repo))
    facts = snapshot.environments.get(environment)
    if facts is None or facts.source is None:
        raise PipelineError(
            f"{environment!r} is no environment that Flux reconciles; see environments/*/environment.yaml"
        )
    stream = _current(snapshot, f"environments/{environment}/flux")
    if not apply:
        console.result(stream.decode().rstrip())
        return console.OK
    check_flux(cluster)
    uid = _own_uid(cluster, facts)
    _remove_shards(cluster, facts)
    console.result(cluster.apply(stream))
    cluster.annotate(GIT_REPOSITORIES, facts.namespaces.platform, SOURCE, {CLUSTER: uid})
    if facts.cluster is None:
        console.talk(
            f"cluster: add `cluster: {uid}` to the environment.yaml, so that no second cluster reconciles it"
        )
    token = _receiver_token(cluster, facts)
    for line in _what_is_left(cluster, facts, facts.source, token):
        console.talk(line)
    return console.OK


def _current(snapshot: Snapshot, folder: str) -> bytes:
    """What a folder stands for, if it is what follows from the documents and from nothing outside the tree.

    Raises:
        PipelineError: it is not; an administrator's rights are not for what nobody has rendered.
    """
    changes = drift(snapshot)
    differing = sorted({*changes.write, *changes.delete, *strays(snapshot.files)})
    stale = [path for path in differing if path.startswith(f"{folder}/")]
    if stale:
        raise PipelineError(
            f"{stale[0]}:1: is not what follows from environment.yaml; run `ml-pipeline render`, and look at what it changes"
        )
    faults = list(place_faults(snapshot.files))
    if faults:
        raise InvalidDocumentsError(faults)
    with Overlays(snapshot.files) as overlays:
        return overlays.stream(folder)


def check_flux(cluster: Cluster) -> None:
    """Refuse a cluster without Flux, or with one that does not know `spec.ignore` (2.9).

    Raises:
        PipelineError: says how to install it.
    """
    try:
        versions = cluster.get(_FLUX_CRD)["spec"]["versions"]
    except NotServedError as error:
        raise PipelineError(
            "the cluster has no Flux; install it with `flux install`, 2.9 or newer"
        ) from error
    spec = next(v for v in versions if v["name"] == "v1")["schema"]["openAPIV3Schema"][
        "properties"
    ]["spec"]
    if "ignore" not in spec["properties"]:
        raise PipelineError(
            "Flux is older than 2.9 (its Kustomization has no spec.ignore); upgrade it with `flux install`"
        )


def _own_uid(cluster: Cluster, facts: Environment) -> str:
    """Uid of the cluster, which stays for its life.

    Raises:
        PipelineError: the environment belongs to another cluster.
    """
    uid = str(cluster.get("/api/v1/namespaces/kube-system")["metadata"]["uid"])
    if facts.cluster not in (None, uid):
        raise PipelineError(
            f"{facts.name} belongs to the cluster {facts.cluster}, this is {uid}; if it has moved, disconnect the other and change "
            f"cluster in environments/{facts.name}/environment.yaml"
        )
    return uid


def _remove_shards(cluster: Cluster, facts: Environment) -> None:
    """Delete the Flux objects of shards that `training_shards` has no longer; before the others take over their overlays, so that
    no Job has two owners."""
    namespace = facts.namespaces.platform
    for kind in (KUSTOMIZATIONS, GIT_REPOSITORIES):
        there = [thing["metadata"]["name"] for thing in cluster.objects(kind, namespace)]
        for name in surplus(facts, there):
            cluster.delete(kind, namespace, name)
            console.result(
                f"{name} deleted: training_shards is {facts.training_shards}; its Jobs start again from their checkpoints"
            )


def _receiver_token(cluster: Cluster, facts: Environment) -> str | None:
    """Make the Secret that webhooks are checked with, once; its token if it was made now."""
    namespace = facts.namespaces.platform
    if cluster.exists(f"/api/v1/namespaces/{namespace}/secrets/{RECEIVER_TOKEN}"):
        return None
    token = secrets.token_hex(32)
    metadata = {"name": RECEIVER_TOKEN, "namespace": namespace}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "stringData": {"token": token},
    }
    console.result(cluster.apply(json.dumps(secret).encode()))
    return token


def _what_is_left(
    cluster: Cluster, facts: Environment, source: GitSource, token: str | None
) -> list[str]:
    """What the administrator has to do beside: webhooks, and Secrets that are named and not there."""
    namespace = facts.namespaces.platform
    lines = []
    if token:
        lines.append(
            f"webhook: send pushes to {hook_path(token, namespace)} (GitHub: {hook_path(token, namespace, 'github')})"
        )
        lines.append(
            f"         of notification-controller, signed with the token in the Secret {namespace}/{RECEIVER_TOKEN}"
        )
    for name, what in (
        (source.secret, "the credentials of the repository"),
        (source.decryption, "the age key of SOPS"),
        (source.commit_status, "the token for commit statuses"),
        (facts.reconcile and facts.reconcile.secret, "the key or token that pushes"),
    ):
        if name and not cluster.exists(f"/api/v1/namespaces/{namespace}/secrets/{name}"):
            lines.append(
                f"secret {namespace}/{name} is not there: make it from {what}, see docs/tasks/connect-a-cluster.md"
            )
    return lines
