"""People's own places where Flux builds: `platform/secrets/` and `platform/team/`.

What stands there is held to what an environment's own account may apply, and told before the merge
by kind and rights.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.faults import Fault
from ml_pipeline.documents.snapshot import Files
from ml_pipeline.layout import own_place
from ml_pipeline.rules.kustomize.kustomizations import (
    NAMES,
    has_kustomization,
    is_kustomization,
    reached,
)
from ml_pipeline.rules.kustomize.objects import Object
from ml_pipeline.rules.review.consequence import Consequence
from ml_pipeline.rules.review.diff import ObjectChange, object_changes
from ml_pipeline.rules.review.kinds import KINDS, Problem, refused
from ml_pipeline.rules.review.manifests import Manifests

# A Secret of another type can be a credential of the cluster itself: `service-account-token` has
# one made.
_SECRET_TYPES = {
    "Opaque",
    "kubernetes.io/basic-auth",
    "kubernetes.io/dockerconfigjson",
    "kubernetes.io/ssh-auth",
    "kubernetes.io/tls",
}
# Labels and annotations with which an object tells Flux and Kustomize how to treat it.
_STEERING = (
    "kustomize.toolkit.fluxcd.io/",
    "config.kubernetes.io/",
    "internal.config.kubernetes.io/",
)
_SOPS = "sops"  # what sops writes beside what it has encrypted; Flux takes it out
_DOING = {"create": "adds", "delete": "removes"}


def own_places(files: Files) -> list[str]:
    """The places of people's own that Flux builds."""
    places = {own_place(path) for path in files}
    return sorted(place for place in places if place and has_kustomization(files, place))


def own_place_faults(
    environment: Environment, place: str, files: Files, objects: Iterable[Object]
) -> Iterator[Fault]:
    """What may not stand in a place of people's own, where it is written."""
    problems = [
        (manifest, *problem) for manifest in objects for problem in _problems(environment, manifest)
    ]
    if problems:
        manifests = Manifests(files, place)
        for manifest, at, text in problems:
            yield manifests.fault(manifest, at, text)


def own_place_consequences(
    place: str, before: Iterable[Object], after: Iterable[Object]
) -> Iterator[Consequence]:
    """What becomes of the objects in a place of people's own: each by kind, name and what it
    grants."""
    manifests = {_identity(manifest): manifest for manifest in after}
    for change in object_changes(before, manifests.values()):
        manifest = manifests.get((change.kind, change.namespace, change.name))
        granted = rights(manifest) if manifest else ""
        yield Consequence(
            "grants" if granted else "keeps",
            _in_words(change, granted),
            f"{place}/{NAMES[0]}",
        )


def unlisted(files: Files, changed: Iterable[str]) -> Iterator[Consequence]:
    """Changed manifests of people's own that no kustomization leads to: nobody applies them."""
    listed: dict[str, set[str]] = {}
    for path in sorted(changed):
        place = own_place(path)
        is_manifest = path.endswith((".yaml", ".yml")) and not is_kustomization(path)
        if not place or not is_manifest or path not in files:
            continue
        if place not in listed:
            listed[place] = set(reached(files, place))
        if path not in listed[place]:
            text = f"applies nothing of {path}, which is not listed in {place}/{NAMES[0]}"
            yield Consequence("nothing", text, path)


def rights(manifest: Object) -> str:
    """What an object lets somebody do, in words; empty where it grants nothing."""
    kind = manifest["kind"]
    if kind in ("RoleBinding", "ClusterRoleBinding"):
        role = (manifest.get("roleRef") or {}).get("name")
        subjects = _mappings(manifest.get("subjects"))
        names = ", ".join(f"{subject.get('kind')} {subject.get('name')}" for subject in subjects)
        return f"gives {role} to {names or 'nobody'}"
    if kind in ("Role", "ClusterRole"):
        rules = [
            f"{_listed(rule.get('verbs'))} {_listed(rule.get('resources'))}"
            for rule in _mappings(manifest.get("rules"))
        ]
        return f"allows {'; '.join(rules) or 'nothing'}"
    if kind == "NetworkPolicy":
        spec = manifest.get("spec")
        ways = [way for way in ("ingress", "egress") if isinstance(spec, dict) and spec.get(way)]
        return f"allows {' and '.join(ways) or 'no'} traffic"
    return ""


def _problems(environment: Environment, manifest: Object) -> Iterator[Problem]:
    metadata = manifest["metadata"]
    spaces = (environment.namespaces.training, environment.namespaces.serving)
    if (manifest["apiVersion"], manifest["kind"]) not in KINDS:
        kinds = ", ".join(sorted(kind for _, kind in KINDS))
        yield ("kind",), f"may not stand here, only {kinds}; leave it to an administrator"
        return
    namespace = metadata.get("namespace")
    if namespace not in spaces:
        yield (
            ("metadata", "namespace"),
            f"is in the namespace {namespace!r}, not in {' or '.join(spaces)}; "
            "set `namespace` in the kustomization",
        )
    # What sops has encrypted is text, whatever it was.
    sealed = (_SOPS, "spec") if _SOPS in manifest else ()
    yield from refused({key: value for key, value in manifest.items() if key not in sealed})
    yield from _steering(metadata)
    if manifest["kind"] == "Secret":
        yield from _secret_problems(manifest)
    if _SOPS in manifest and environment.source and not environment.source.decryption:
        yield (_SOPS,), "is encrypted, and environment.yaml has no source.decryption; name the key"


def _steering(metadata: Object) -> Iterator[Problem]:
    for part in ("annotations", "labels"):
        marks = metadata.get(part)
        for mark in sorted(marks) if isinstance(marks, dict) else ():
            if mark.startswith(_STEERING):
                text = f"has {mark!r}, which changes what Flux does with it; remove it"
                yield ("metadata", part, mark), text


def _secret_problems(manifest: Object) -> Iterator[Problem]:
    """Another type than those of workloads, and values that everybody reads who reads git."""
    if manifest.get("type", "Opaque") not in _SECRET_TYPES:
        text = f"has the type {manifest['type']!r}, a credential of the cluster; remove it"
        yield ("type",), text
    for part in ("data", "stringData"):
        values = manifest.get(part)
        for key, value in values.items() if isinstance(values, dict) else ():
            is_sealed = _SOPS in manifest and str(value).startswith("ENC[")
            if value and not is_sealed:
                yield (
                    (part, key),
                    f"{part}.{key} is not encrypted, so whoever reads the repository has it; "
                    "encrypt the file with sops or make the Secret in the cluster, and change it",
                )


def _identity(manifest: Object) -> tuple[str, str, str]:
    metadata = manifest["metadata"]
    return manifest["kind"], metadata.get("namespace", ""), metadata["name"]


def _in_words(change: ObjectChange, granted: str) -> str:
    doing = _DOING.get(change.action, "changes")
    where = f"in {change.namespace}" if change.namespace else "in the whole cluster"
    which = f", which {granted}" if granted else ""
    return f"{doing} {change.kind} {change.name} {where}{which}"


def _mappings(value: Any) -> list[Object]:
    if not isinstance(value, list):
        return []
    return [item for item in value if isinstance(item, dict)]


def _listed(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
