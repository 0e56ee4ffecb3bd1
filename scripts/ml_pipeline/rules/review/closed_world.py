"""Which files may lie where Flux builds: what the renderer writes, and what people keep in places of their own. The rest is drift.

People's own places are `platform/secrets/` and `platform/team/`, each with a kustomization. What stands there is held to what an
environment's own account may apply, and told before the merge by kind and rights.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.faults import Fault
from ml_pipeline.documents.snapshot import Files
from ml_pipeline.layout import BUILT, OWN, is_renderers, own_place, part_of
from ml_pipeline.rules.kustomize.kustomizations import (
    NAMES,
    has_kustomization,
    is_kustomization,
    kustomization_faults,
    reachable_faults,
)
from ml_pipeline.rules.kustomize.objects import Object

# What the ServiceAccount `platform` may apply in the namespaces of training and serving (base/flux/access), without Kueue's queue.
_MAY_STAND = {
    ("v1", "LimitRange"),
    ("v1", "PersistentVolumeClaim"),
    ("v1", "ResourceQuota"),
    ("v1", "Secret"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
}
# A Secret of another type can be a credential of the cluster itself: `service-account-token` has one made.
_SECRET_TYPES = {
    "Opaque",
    "kubernetes.io/basic-auth",
    "kubernetes.io/dockerconfigjson",
    "kubernetes.io/ssh-auth",
    "kubernetes.io/tls",
}
_STEERING = (
    "kustomize.toolkit.fluxcd.io/",
    "config.kubernetes.io/",
    "internal.config.kubernetes.io/",
)


def own_places(files: Files) -> list[str]:
    """The places of people's own that Flux builds."""
    places = {place for path in files if (place := own_place(path))}
    return sorted(place for place in places if has_kustomization(files, place))


def strays(files: Iterable[str]) -> list[str]:
    """Files where Flux builds that nobody may keep there: the renderer never writes them, and the place is not people's own."""
    return sorted(
        path
        for path in files
        if _where_flux_builds(path) and not is_renderers(path) and own_place(path) is None
    )


def stray_fault(path: str) -> Fault:
    """What is wrong with a stray file."""
    own = " or ".join(f"platform/{name}/" for name in OWN)
    text = f"is not what `ml-pipeline render` writes, and Flux builds what lies here; delete it, or keep it in {own}"
    return Fault(path, 1, "", text)


def place_faults(files: Files) -> Iterator[Fault]:
    """Every stray file, and everything in base/ and in people's own places that is not of this tree."""
    yield from map(stray_fault, strays(files))
    folders = {path.rpartition("/")[0] for path in files if is_kustomization(path)}
    for folder in sorted(folders):
        own = own_place(f"{folder}/")
        if f"{folder}/".startswith("base/"):
            yield from kustomization_faults(files, folder, ("base/",))
        elif own:
            yield from kustomization_faults(files, folder, (f"{own}/", "base/"))


def outside_faults(files: Files, folder: str) -> list[Fault]:
    """What a folder would be built from that is not of this tree, wherever it leads: Kustomize would fetch it."""
    environment = "/".join(folder.split("/")[:2])
    return reachable_faults(files, folder, (f"{environment}/", "base/"))


def own_faults(environment: Environment, place: str, objects: Iterable[Object]) -> Iterator[Fault]:
    """What may not stand in a place of people's own."""
    spaces = (environment.namespaces.training, environment.namespaces.serving)
    for thing in objects:
        name = f"{thing['kind']} {thing['metadata']['name']}"
        metadata = thing["metadata"]
        texts = []
        if (thing["apiVersion"], thing["kind"]) not in _MAY_STAND:
            kinds = ", ".join(sorted(kind for _, kind in _MAY_STAND))
            texts.append(f"may not stand here, only {kinds}; leave it to an administrator")
        elif metadata.get("namespace") not in spaces:
            said = (
                f"is in the namespace {metadata.get('namespace')!r}, not in {' or '.join(spaces)}"
            )
            texts.append(f"{said}; set `namespace` in the kustomization")
        if thing["kind"] == "Secret" and thing.get("type", "Opaque") not in _SECRET_TYPES:
            texts.append(f"has the type {thing['type']!r}, a credential of the cluster; remove it")
        marks = {**(metadata.get("annotations") or {}), **(metadata.get("labels") or {})}
        texts += [
            f"has {mark!r}, which changes what Flux does with it; remove it"
            for mark in sorted(marks)
            if mark.startswith(_STEERING)
        ]
        yield from (Fault(f"{place}/{NAMES[0]}", 1, "", f"{name}: {text}") for text in texts)


def rights(thing: Object) -> str:
    """What an object lets somebody do, in words; empty where it grants nothing."""
    kind = thing["kind"]
    if kind in ("RoleBinding", "ClusterRoleBinding"):
        role = (thing.get("roleRef") or {}).get("name")
        to = ", ".join(f"{s.get('kind')} {s.get('name')}" for s in _mappings(thing.get("subjects")))
        return f"gives {role} to {to or 'nobody'}"
    if kind in ("Role", "ClusterRole"):
        rules = [
            f"{_words(rule.get('verbs'))} {_words(rule.get('resources'))}"
            for rule in _mappings(thing.get("rules"))
        ]
        return f"allows {'; '.join(rules) or 'nothing'}"
    if kind == "NetworkPolicy":
        spec = thing.get("spec")
        ways = [way for way in ("ingress", "egress") if isinstance(spec, dict) and spec.get(way)]
        return f"allows {' and '.join(ways) or 'no'} traffic"
    return ""


def _mappings(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _where_flux_builds(path: str) -> bool:
    return part_of(path) in BUILT
