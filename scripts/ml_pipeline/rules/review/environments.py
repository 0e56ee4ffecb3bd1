"""What the facts of an environment have to agree on."""

from collections.abc import Iterator

from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.faults import Fault
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.layout import owner_of
from ml_pipeline.rules.review.names import known_environments, name_faults

_RESERVED = {"default", "flux-system"}


def environment_faults(snapshot: Snapshot, path: str, environment: Environment) -> Iterator[Fault]:
    """Every fault of an environment, and of how models come to it from others."""
    yield from name_faults(snapshot, path, environment.name)
    for key, text in _own_faults(environment):
        yield snapshot.fault(path, key, text)
    for key, text in _namespace_faults(snapshot, environment):
        yield snapshot.fault(path, key, text)
    folder = owner_of(path)
    for origin in environment.promotes_from:
        if origin not in snapshot.environments:
            text = f"{origin!r} does not exist; {known_environments(snapshot.environments)}"
            yield snapshot.fault(path, "promotes_from", text)
        elif folder in _origins(snapshot, origin):
            text = f"{origin!r} leads back to {folder!r}; leave one of them out"
            yield snapshot.fault(path, "promotes_from", text)


def _own_faults(environment: Environment) -> Iterator[tuple[str, str]]:
    """Key and text of every fault that needs no other document."""
    yield from _runtime_faults(environment)
    if environment.images.serving.digest is None:
        yield (
            "images.serving.digest",
            "is missing; pin the image, `ml-pipeline image serving` prints the embedded one",
        )
    yield from _reconciler_faults(environment)
    names = [pool.name for pool in environment.pools]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield "pools", f"{name!r} stands twice; rename one"
    artifacts = environment.artifacts
    if artifacts.claim and artifacts.uri != "file:///artifacts":
        yield (
            "artifacts.uri",
            f"{artifacts.uri!r} is not where the claim is mounted; write file:///artifacts",
        )


def _runtime_faults(environment: Environment) -> Iterator[tuple[str, str]]:
    """What a cluster needs, and what the embedded environment has no use for."""
    if environment.runtime == "kubernetes" and environment.images.trainer.digest is None:
        yield (
            "images.trainer.digest",
            "is missing; outside the embedded runtime pin the image",
        )
    if environment.runtime == "kubernetes" and environment.source is None:
        yield (
            "source",
            "is missing; outside the embedded runtime name the repository that Flux fetches",
        )
    if environment.runtime == "embedded" and environment.tracking.secret:
        yield "tracking.secret", "has no effect, the embedded MLflow has no login; take it out"


def _namespace_faults(snapshot: Snapshot, environment: Environment) -> Iterator[tuple[str, str]]:
    """Namespaces that are the cluster's own, or that two environments would take from each
    other."""
    taken = _namespaces_beside(snapshot, environment)
    for part, namespace in environment.namespaces.model_dump().items():
        key = f"namespaces.{part}"
        if namespace in _RESERVED or namespace.startswith("kube-"):
            yield key, f"{namespace!r} is a namespace of the cluster itself; name one of your own"
        elif namespace in taken:
            yield (
                key,
                f"{namespace!r} is also {taken[namespace]}, and Flux would overwrite what is "
                "there; name another",
            )
        taken[namespace] = f"namespaces.{part} of {environment.name}"


def _namespaces_beside(snapshot: Snapshot, environment: Environment) -> dict[str, str]:
    """Which environment in the same cluster has a namespace, by the namespace."""
    taken: dict[str, str] = {}
    for other in snapshot.environments.values():
        clusters = {other.cluster, environment.cluster}
        # Without the uid of a cluster an environment may be in any.
        is_elsewhere = len(clusters) > 1 and None not in clusters
        is_beside = other.runtime == environment.runtime == "kubernetes" and not is_elsewhere
        if is_beside and other.name != environment.name:
            for part, namespace in other.namespaces.model_dump().items():
                taken[namespace] = f"namespaces.{part} of {other.name}"
    return taken


def _reconciler_faults(environment: Environment) -> Iterator[tuple[str, str]]:
    if environment.reconcile is None:
        return
    if environment.runtime == "embedded":
        yield "reconcile", "goes with a cluster; remove it, `up` commits what has happened here"
    if environment.reconcile.image.digest is None:
        yield (
            "reconcile.image.digest",
            "is missing; pin what `make image NAME=scripts` prints",
        )


def _origins(snapshot: Snapshot, name: str) -> set[str]:
    """An environment and all that models come to it from, however far."""
    origins, queue = {name}, [name]
    while queue:
        environment = snapshot.environments.get(queue.pop())
        new = set(environment.promotes_from if environment else ()) - origins
        origins |= new
        queue += new
    return origins
