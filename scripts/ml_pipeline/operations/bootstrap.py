"""What a cluster needs, once, to reconcile this repository."""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from ml_pipeline.adapters.git.working_tree import open_tree
from ml_pipeline.adapters.kubernetes import (
    ANY,
    GIT_REPOSITORIES,
    KUSTOMIZATIONS,
    Cluster,
    NotServedError,
)
from ml_pipeline.adapters.kustomize import Overlays
from ml_pipeline.documents.environment import Environment, GitSource
from ml_pipeline.documents.faults import InvalidDocumentsError, PipelineError
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.layout import environment_folder, environment_path
from ml_pipeline.operations import Talk, silent
from ml_pipeline.rules.render.drift import drift
from ml_pipeline.rules.render.flux import CLUSTER, RECEIVER_TOKEN, SOURCE, hook_path, surplus
from ml_pipeline.rules.review.closed_world import place_faults, strays
from ml_pipeline.rules.review.faults import checked_snapshot

_FLUX_CRD = (
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"
    "kustomizations.kustomize.toolkit.fluxcd.io"
)


@dataclass(frozen=True)
class Bootstrapped:
    """The cluster that an environment now belongs to, and what is left to the administrator."""

    uid: str
    left: tuple[str, ...]


@dataclass(frozen=True)
class _Flux:
    """An environment that Flux reconciles, from where, and its objects as YAML."""

    facts: Environment
    source: GitSource
    stream: bytes


def bootstrap_objects(repo: Path, environment: str) -> bytes:
    """The namespaces, rights and Flux objects of an environment as YAML.

    Raises:
        PipelineError: Flux reconciles no such environment, or they are not what follows from it.
        InvalidDocumentsError: something would come from outside the tree.
    """
    return _read(repo, environment).stream


def bootstrap(
    repo: Path,
    environment: str,
    *,
    cluster: Cluster = ANY,
    done: Talk = silent,
    talk: Talk = silent,
) -> Bootstrapped:
    """Apply them, as an administrator; `done` hears what became of each object, as it happens.

    Raises:
        PipelineError: the cluster has no Flux that suffices, or belongs to another environment.
    """
    flux = _read(repo, environment)
    facts = flux.facts
    check_flux(cluster)
    uid = _own_uid(cluster, facts)
    # First, so that no Job has two owners when the others take over its overlay.
    _remove_shards(cluster, facts, done)
    done(cluster.apply(flux.stream))
    # Here `status` reads whether an environment belongs to another cluster, which would train too.
    cluster.annotate(GIT_REPOSITORIES, facts.namespaces.platform, SOURCE, {CLUSTER: uid})
    if facts.cluster is None:
        talk(
            f"cluster: add `cluster: {uid}` to the environment.yaml, "
            "so that no second cluster reconciles it"
        )
    token = _receiver_token(cluster, facts, done)
    lines = _webhook(token, facts.namespaces.platform) if token else []
    return Bootstrapped(uid, (*lines, *_missing_secrets(cluster, facts, flux.source)))


def _read(repo: Path, environment: str) -> _Flux:
    snapshot = checked_snapshot(open_tree(repo))
    facts = snapshot.environments.get(environment)
    if facts is None or facts.source is None:
        raise PipelineError(
            f"{environment!r} is no environment that Flux reconciles; "
            "see environments/*/environment.yaml"
        )
    stream = _current(snapshot, environment_folder(environment, "flux"))
    return _Flux(facts, facts.source, stream)


def _current(snapshot: Snapshot, folder: str) -> bytes:
    """What a folder stands for, if it follows from the documents and from nothing outside the tree.

    Raises:
        PipelineError: it is not; an administrator's rights are not for what nobody has rendered.
    """
    changes = drift(snapshot)
    differing = sorted({*changes.write, *changes.delete, *strays(snapshot.files)})
    stale = [path for path in differing if path.startswith(f"{folder}/")]
    if stale:
        raise PipelineError(
            f"{stale[0]}:1: is not what follows from environment.yaml; "
            "run `ml-pipeline render`, and look at what it changes"
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
    served = next(version for version in versions if version["name"] == "v1")
    spec = served["schema"]["openAPIV3Schema"]["properties"]["spec"]
    if "ignore" not in spec["properties"]:
        raise PipelineError(
            "Flux is older than 2.9 (its Kustomization has no spec.ignore); "
            "upgrade it with `flux install`"
        )


def _own_uid(cluster: Cluster, facts: Environment) -> str:
    """Uid of the cluster, which stays for its life.

    Raises:
        PipelineError: the environment belongs to another cluster.
    """
    # A name could be given to two clusters; this uid is made with the cluster and kept.
    uid = str(cluster.get("/api/v1/namespaces/kube-system")["metadata"]["uid"])
    if facts.cluster not in (None, uid):
        raise PipelineError(
            f"{facts.name} belongs to the cluster {facts.cluster}, this is {uid}; "
            "if it has moved, disconnect the other and change "
            f"cluster in {environment_path(facts.name)}"
        )
    return uid


def _remove_shards(cluster: Cluster, facts: Environment, done: Talk) -> None:
    """Delete the Flux objects of shards that `training_shards` has no longer."""
    namespace = facts.namespaces.platform
    # The Kustomization first: without its source it would report an error until it is gone too.
    for kind in (KUSTOMIZATIONS, GIT_REPOSITORIES):
        manifests = cluster.objects(kind, namespace)
        names = [manifest["metadata"]["name"] for manifest in manifests]
        for name in surplus(facts, names):
            cluster.delete(kind, namespace, name)
            done(
                f"{name} deleted: training_shards is {facts.training_shards}; "
                "its Jobs start again from their checkpoints"
            )


def _receiver_token(cluster: Cluster, facts: Environment, done: Talk) -> str | None:
    """Make the Secret that webhooks are checked with, once; its token if it was made now."""
    namespace = facts.namespaces.platform
    if cluster.exists(f"/api/v1/namespaces/{namespace}/secrets/{RECEIVER_TOKEN}"):
        return None
    # Made once: another one would make every webhook that is set up sign wrongly.
    token = secrets.token_hex(32)
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": RECEIVER_TOKEN, "namespace": namespace},
        "stringData": {"token": token},
    }
    done(cluster.apply(json.dumps(secret).encode()))
    return token


def _webhook(token: str, namespace: str) -> list[str]:
    """Where pushes are to be sent; the path cannot be found without the token."""
    github = hook_path(token, namespace, "github")
    signed = f"signed with the token in the Secret {namespace}/{RECEIVER_TOKEN}"
    return [
        f"webhook: send pushes to {hook_path(token, namespace)} (GitHub: {github})",
        f"         of notification-controller, {signed}",
    ]


def _missing_secrets(cluster: Cluster, facts: Environment, source: GitSource) -> list[str]:
    """Secrets that are named and not there, and what they are made from."""
    namespace = facts.namespaces.platform
    pushing = facts.reconcile.secret if facts.reconcile else None
    lines = []
    for name, what in (
        (source.secret, "the credentials of the repository"),
        (source.decryption, "the age key of SOPS"),
        (source.commit_status, "the token for commit statuses"),
        (pushing, "the key or token that pushes"),
    ):
        if name and not cluster.exists(f"/api/v1/namespaces/{namespace}/secrets/{name}"):
            lines.append(
                f"secret {namespace}/{name} is not there: make it from {what}, "
                "see docs/tasks/connect-a-cluster.md"
            )
    return lines
