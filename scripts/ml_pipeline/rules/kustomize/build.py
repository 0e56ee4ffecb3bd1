"""What an overlay stands for, built in this process: the part of Kustomize that overlays here are made of.

Exact or not at all: what is not covered, or is not right, raises NotCoveredError, and the caller asks Kustomize itself. The
order of objects and keys is not Kustomize's; the objects are. Transformers run in the order of Kustomize 5
(`kusttarget_configplugin.go`): patches, namespace, prefix, suffix, labels, replacements.
"""

import posixpath
import re
from collections.abc import Mapping
from typing import Any

from ml_pipeline.documents.snapshot import Files
from ml_pipeline.rules.kustomize.objects import NotCoveredError, Object, parse_objects
from ml_pipeline.rules.kustomize.patches import Target, json_patched, merged, selected

_CLUSTER_WIDE = {
    "ClusterRole",
    "CustomResourceDefinition",
    "Namespace",
    "PersistentVolume",
    "PriorityClass",
    "StorageClass",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}
# A new name or namespace of an object changes what refers to it; these refer to nothing and nothing here refers to them.
_NEVER_REFERRED_TO = {
    "Job",
    "PriorityClass",
    "Service",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}
_REFERS_TO_ITS_NAMESPACE = {
    "APIService",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "RoleBinding",
}
_KUSTOMIZATION = {"Kustomization": "v1beta1", "Component": "v1alpha1"}
_FIELDS = {
    "apiVersion",
    "kind",
    "resources",
    "components",
    "patches",
    "namespace",
    "namePrefix",
    "nameSuffix",
    "labels",
    "replacements",
}
_MOST_FOLDERS_DEEP = 20
_MOST_WORK = 100_000  # entries that are followed, and objects that are looked at for a patch


class Builder:
    """Builds folders of one tree; what it has read and built below base/ it keeps."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._kept: dict[str, list[Object]] = {}
        self._read: dict[str, list[Any]] = {}
        self._work = 0

    def build(self, folder: str) -> list[Object]:
        """The objects of a folder with a kustomization, or of a manifest, none shared with a later call that may change it.

        Raises:
            NotCoveredError: with the field or file that stands in the way.
        """
        self._work = 0
        try:
            return self._entry(folder, ())
        except (AttributeError, IndexError, KeyError, TypeError, ValueError, re.error) as error:
            raise NotCoveredError(
                f"{folder}: is not written as a kustomization is: {error!r}"
            ) from error

    def _resources(self, folder: str, inside: tuple[str, ...]) -> list[Object]:
        if folder in self._kept:
            return self._kept[folder]
        body = self._kustomization(folder, "Kustomization", inside)
        built = self._applied(folder, body, [], inside)
        if not built:
            raise NotCoveredError(f"{folder}: stands for no object")
        if folder.startswith("base/"):
            self._kept[folder] = built
        return built

    def _applied(
        self, folder: str, body: Mapping[str, Any], objects: list[Object], inside: tuple[str, ...]
    ) -> list[Object]:
        """The objects after everything that one kustomization says: its own resources, its components, its transformers."""
        objects = list(objects)
        for entry in body.get("resources", ()):
            more = self._entry(posixpath.normpath(f"{folder}/{entry}"), (*inside, folder))
            self._spend(folder, len(more))
            objects += more
        _distinct(folder, objects)
        for entry in body.get("components", ()):
            path = posixpath.normpath(f"{folder}/{entry}")
            component = self._kustomization(path, "Component", (*inside, folder))
            objects = self._applied(path, component, objects, (*inside, folder))
        for patch in body.get("patches", ()):
            self._spend(folder, len(objects))
            objects = self._patched(folder, patch, objects)
        objects = _named(folder, body, _in_namespace(folder, body.get("namespace"), objects))
        for labels in body.get("labels", ()):
            _only(folder, labels, {"pairs"}, "labels")
            objects = [
                merged(thing, {"metadata": {"labels": labels["pairs"]}}) for thing in objects
            ]
        for replacement in body.get("replacements", ()):
            self._spend(folder, len(objects))
            objects = _replaced(folder, replacement, objects)
        return objects

    def _entry(self, path: str, inside: tuple[str, ...]) -> list[Object]:
        if path not in self._files:
            return self._resources(path, inside)
        self._spend(path, 1)
        return whole(path, self._documents(path))

    def _spend(self, path: str, work: int) -> None:
        """Count work: folders that name each other twice double with every level."""
        self._work += work + 1
        if self._work > _MOST_WORK:
            raise NotCoveredError(f"{path}: takes more than {_MOST_WORK} steps")

    def _documents(self, path: str) -> list[Any]:
        """What a file holds."""
        if path in self._read:
            return self._read[path]
        if path not in self._files:
            raise NotCoveredError(f"{path}: does not exist")
        found = documents(path, self._files[path])
        if path.startswith("base/"):
            self._read[path] = found
        return found

    def _kustomization(self, folder: str, kind: str, inside: tuple[str, ...]) -> Mapping[str, Any]:
        self._spend(folder, 1)
        if folder in inside or len(inside) > _MOST_FOLDERS_DEEP:
            raise NotCoveredError(f"{folder}: includes itself")
        found = self._documents(f"{folder}/kustomization.yaml")
        if len(found) != 1 or found[0].get("kind") != kind:
            raise NotCoveredError(f"{folder}: is no single {kind}")
        if found[0].get("apiVersion") != f"kustomize.config.k8s.io/{_KUSTOMIZATION[kind]}":
            raise NotCoveredError(f"{folder}: has another apiVersion")
        _only(folder, found[0], _FIELDS, "kustomization")
        kustomization: Mapping[str, Any] = found[0]
        return kustomization

    def _patched(
        self, folder: str, patch: Mapping[str, Any], objects: list[Object]
    ) -> list[Object]:
        _only(folder, patch, {"path", "patch", "target", "options"}, "patch")
        _only(folder, patch.get("options", {}), {"allowNameChange"}, "options")
        path = posixpath.normpath(f"{folder}/{patch['path']}") if "path" in patch else folder
        found = (
            self._documents(path)
            if "path" in patch
            else documents(path, str(patch.get("patch", "")).encode())
        )
        if len(found) != 1:
            raise NotCoveredError(f"{path}: holds {len(found)} patches")
        target = _target(folder, patch["target"]) if "target" in patch else None
        if isinstance(found[0], list):
            if target is None:
                raise NotCoveredError(f"{path}: a JSON patch needs a target")
            return [
                json_patched(thing, found[0]) if selected(thing, target) else thing
                for thing in objects
            ]
        (change,) = whole(path, found)
        return _merged_into(
            path,
            change,
            target,
            objects,
            rename=patch.get("options", {}).get("allowNameChange", False),
        )


def parsed(path: str, raw: bytes) -> list[Object]:
    """The objects of a file, each with all that names an object."""
    return whole(path, documents(path, raw))


def documents(path: str, raw: bytes) -> list[Any]:
    """What a file holds, whatever it is."""
    try:
        return parse_objects(raw)
    except NotCoveredError as error:
        raise NotCoveredError(f"{path}:1: {error}") from error


def whole(path: str, found: list[Any]) -> list[Object]:
    """The same, where all of it are objects."""
    if not all(isinstance(thing, dict) and _is_whole(thing) for thing in found):
        raise NotCoveredError(f"{path}: holds something that is no single object")
    return found


def has_plain_names(thing: Any) -> bool:
    """Whether all that names an object is there, and is text."""
    if not isinstance(thing, dict) or not isinstance(thing.get("metadata"), dict):
        return False
    metadata = thing["metadata"]
    names = (thing.get("apiVersion"), thing.get("kind"), metadata.get("name"))
    return all(isinstance(name, str) and name for name in names) and isinstance(
        metadata.get("namespace", ""), str
    )


def _is_whole(thing: Object) -> bool:
    if not has_plain_names(thing):
        return False
    annotations = thing["metadata"].get("annotations") or {}
    return not thing["kind"].endswith("List") and not any("config.k" in key for key in annotations)


def _merged_into(
    path: str, change: Object, target: Target | None, objects: list[Object], *, rename: bool
) -> list[Object]:
    if target is None:
        key = _key(change)
        if sum(_key(thing) == key for thing in objects) != 1:
            raise NotCoveredError(f"{path}: patches no object, or several")
        return [merged(thing, change) if _key(thing) == key else thing for thing in objects]
    out = []
    for thing in objects:
        if not selected(thing, target):
            out.append(thing)
            continue
        kept = thing["metadata"]["name"] if not rename else change["metadata"]["name"]
        after = merged(thing, {**change, "metadata": {**change["metadata"], "name": kept}})
        out.append({**after, "apiVersion": thing["apiVersion"], "kind": thing["kind"]})
    return out


def _in_namespace(folder: str, namespace: str | None, objects: list[Object]) -> list[Object]:
    if namespace is None:
        return objects
    out: list[Object] = []
    for thing in objects:
        kind, metadata = thing["kind"], thing["metadata"]
        if kind in _REFERS_TO_ITS_NAMESPACE or kind.endswith("WebhookConfiguration"):
            raise NotCoveredError(f"{folder}: a {kind} refers to namespaces")
        if kind == "Namespace":
            out.append({**thing, "metadata": {**metadata, "name": namespace}})
        elif kind in _CLUSTER_WIDE:
            out.append(thing)
        else:
            out.append({**thing, "metadata": {**metadata, "namespace": namespace}})
    _distinct(folder, out)
    return out


def _named(folder: str, body: Mapping[str, Any], objects: list[Object]) -> list[Object]:
    prefix, suffix = body.get("namePrefix", ""), body.get("nameSuffix", "")
    if not prefix and not suffix:
        return objects
    kinds = {thing["kind"] for thing in objects}
    if not kinds <= _NEVER_REFERRED_TO or {"Job", "PriorityClass"} <= kinds:
        raise NotCoveredError(f"{folder}: renames what others may refer to")
    return [
        {**t, "metadata": {**t["metadata"], "name": f"{prefix}{t['metadata']['name']}{suffix}"}}
        for t in objects
    ]


def _replaced(folder: str, replacement: Mapping[str, Any], objects: list[Object]) -> list[Object]:
    """One value copied to other places that must be there already."""
    _only(folder, replacement, {"source", "targets"}, "replacement")
    source = replacement["source"]
    _only(folder, source, {"kind", "fieldPath"}, "source")
    found = [thing for thing in objects if thing["kind"] == source["kind"]]
    if len(found) != 1:
        raise NotCoveredError(f"{folder}: {len(found)} objects are the source of a replacement")
    value: Any = found[0]
    for key in _fields(folder, source["fieldPath"]):
        value = _child(folder, value, key)
    for target in replacement["targets"]:
        _only(folder, target, {"select", "fieldPaths"}, "target")
        _only(folder, target["select"], {"kind"}, "select")
        for path in target["fieldPaths"]:
            fields = _fields(folder, path)
            objects = [
                _with(folder, t, fields, value) if t["kind"] == target["select"]["kind"] else t
                for t in objects
            ]
    return objects


def _with(folder: str, thing: Any, fields: list[str], value: Any) -> Any:
    head, *rest = fields
    child = _child(folder, thing, head)
    return {**thing, head: _with(folder, child, rest, value) if rest else value}


def _child(folder: str, thing: Any, key: str) -> Any:
    if not isinstance(thing, dict) or key not in thing:
        raise NotCoveredError(f"{folder}: a replacement names {key}, which is not there")
    return thing[key]


def _fields(folder: str, path: str) -> list[str]:
    if "[" in path or "*" in path:
        raise NotCoveredError(f"{folder}: the path {path} leads through a list")
    return [part.replace("\0", ".") for part in path.replace("\\.", "\0").split(".")]


def _target(folder: str, target: Mapping[str, Any]) -> Target:
    _only(
        folder,
        target,
        {"group", "version", "kind", "name", "annotationSelector", "labelSelector"},
        "target",
    )
    for key in ("annotationSelector", "labelSelector"):
        if key in target and (
            target[key].count("=") != 1 or any(sign in target[key] for sign in "!,() ")
        ):
            raise NotCoveredError(f"{folder}: the {key} {target[key]!r} is more than key=value")
    return target


def _distinct(folder: str, objects: list[Object]) -> None:
    keys = [_key(thing) for thing in objects]
    if len(keys) != len(set(keys)):
        raise NotCoveredError(f"{folder}: two objects have the same name")


def _key(thing: Object) -> tuple[str, str, str, str]:
    metadata = thing["metadata"]
    return thing["apiVersion"], thing["kind"], metadata.get("namespace", ""), metadata["name"]


def _only(folder: str, found: Mapping[str, Any], known: set[str], where: str) -> None:
    if not isinstance(found, dict) or not found.keys() <= known:
        raise NotCoveredError(
            f"{folder}: the {where} has fields that only Kustomize knows: {sorted(set(found) - known)}"
        )
