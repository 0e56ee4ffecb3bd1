"""What an overlay stands for, built in this process: as much of Kustomize as overlays here need.

Exact or not at all: what is not covered, or is not right, raises NotCoveredError, and the caller
asks Kustomize itself. The order of objects and keys is not Kustomize's; the objects are.
Transformers run in the order of Kustomize 5 (`kusttarget_configplugin.go`): patches, namespace,
prefix, suffix, labels, replacements.
"""

import re
from typing import Any

from ml_pipeline.documents.snapshot import Files
from ml_pipeline.layout import is_base, resolved
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
# A new name or namespace of an object changes what refers to it; these refer to nothing and nothing
# here refers to them.
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
_TARGET_FIELDS = {"group", "version", "kind", "name", "annotationSelector", "labelSelector"}
_MOST_FOLDERS_DEEP = 20
# Entries that are followed, and objects that are looked at for a patch: seconds, where a few lines
# that double with every folder would take hours.
_MOST_WORK = 100_000


class Builder:
    """Builds folders of one tree; what it has read and built below base/ it keeps."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._kept: dict[str, list[Object]] = {}
        self._read: dict[str, list[Any]] = {}
        self._work = 0

    def build(self, folder: str) -> list[Object]:
        """The objects of a folder with a kustomization, or of a manifest.

        Raises:
            NotCoveredError: with the field or file that stands in the way.
        """
        self._work = 0
        try:
            return self._entry(folder, ())
        # Whatever shape a file has that nobody thought of, Kustomize is asked what is wrong.
        except (AttributeError, IndexError, KeyError, TypeError, ValueError, re.error) as error:
            text = f"{folder}: is not written as a kustomization is: {error!r}"
            raise NotCoveredError(text) from error

    def _resources(self, folder: str, inside: tuple[str, ...]) -> list[Object]:
        if folder in self._kept:
            return self._kept[folder]
        body = self._kustomization(folder, "Kustomization", inside)
        built = self._applied(folder, body, [], inside)
        if not built:
            raise NotCoveredError(f"{folder}: stands for no object")
        # Overlays by the thousand build on the same bases; another overlay is asked for once.
        if is_base(folder):
            self._kept[folder] = built
        return built

    def _applied(
        self, folder: str, body: Object, objects: list[Object], inside: tuple[str, ...]
    ) -> list[Object]:
        """The objects after all that one kustomization says, in the order that it is done."""
        objects = list(objects)
        for entry in body.get("resources", ()):
            more = self._entry(resolved(folder, entry), (*inside, folder))
            self._spend(folder, len(more))
            objects += more
        _distinct(folder, objects)
        for entry in body.get("components", ()):
            path = resolved(folder, entry)
            component = self._kustomization(path, "Component", (*inside, folder))
            objects = self._applied(path, component, objects, (*inside, folder))
        for patch in body.get("patches", ()):
            self._spend(folder, len(objects))
            objects = self._patched(folder, patch, objects)
        objects = _in_namespace(folder, body.get("namespace"), objects)
        objects = _named(folder, body, objects)
        for labels in body.get("labels", ()):
            _only(folder, labels, {"pairs"}, "labels")
            change = {"metadata": {"labels": labels["pairs"]}}
            objects = [merged(manifest, change) for manifest in objects]
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
        content = documents(path, self._files[path])
        if is_base(path):
            self._read[path] = content
        return content

    def _kustomization(self, folder: str, kind: str, inside: tuple[str, ...]) -> Object:
        self._spend(folder, 1)
        if folder in inside or len(inside) > _MOST_FOLDERS_DEEP:
            raise NotCoveredError(f"{folder}: includes itself")
        content = self._documents(f"{folder}/kustomization.yaml")
        if len(content) != 1 or content[0].get("kind") != kind:
            raise NotCoveredError(f"{folder}: is no single {kind}")
        kustomization: Object = content[0]
        if kustomization.get("apiVersion") != f"kustomize.config.k8s.io/{_KUSTOMIZATION[kind]}":
            raise NotCoveredError(f"{folder}: has another apiVersion")
        _only(folder, kustomization, _FIELDS, "kustomization")
        return kustomization

    def _patched(self, folder: str, patch: Object, objects: list[Object]) -> list[Object]:
        _only(folder, patch, {"path", "patch", "target", "options"}, "patch")
        options = patch.get("options", {})
        _only(folder, options, {"allowNameChange"}, "options")
        if "path" in patch:
            path = resolved(folder, patch["path"])
            content = self._documents(path)
        else:
            path = folder
            content = documents(path, str(patch.get("patch", "")).encode())
        if len(content) != 1:
            raise NotCoveredError(f"{path}: holds {len(content)} patches")
        target = _target(folder, patch["target"]) if "target" in patch else None
        if isinstance(content[0], list):
            if target is None:
                raise NotCoveredError(f"{path}: a JSON patch needs a target")
            return _json_patched_where(target, content[0], objects)
        (change,) = whole(path, content)
        if target is None:
            return _merged_by_name(path, change, objects)
        rename = options.get("allowNameChange", False)
        return _merged_where(target, change, objects, rename=rename)


def parsed(path: str, raw: bytes) -> list[Object]:
    """The objects of a file, each with all that names an object."""
    return whole(path, documents(path, raw))


def documents(path: str, raw: bytes) -> list[Any]:
    """What a file holds, whatever it is."""
    try:
        return parse_objects(raw)
    except NotCoveredError as error:
        raise NotCoveredError(f"{path}:1: {error}") from error


def whole(path: str, content: list[Any]) -> list[Object]:
    """The same, where all of it are objects."""
    if not all(map(_is_whole, content)):
        raise NotCoveredError(f"{path}: holds something that is no single object")
    return content


def has_plain_names(manifest: object) -> bool:
    """Whether all that names an object is there, and is text."""
    if not isinstance(manifest, dict) or not isinstance(manifest.get("metadata"), dict):
        return False
    metadata = manifest["metadata"]
    for name in (manifest.get("apiVersion"), manifest.get("kind"), metadata.get("name")):
        if not isinstance(name, str) or not name:
            return False
    return isinstance(metadata.get("namespace", ""), str)


def _is_whole(manifest: Any) -> bool:
    """Whether it is one object, and not a list of some, or one with a word to Kustomize itself."""
    if not has_plain_names(manifest) or manifest["kind"].endswith("List"):
        return False
    annotations = manifest["metadata"].get("annotations") or {}
    return not any("config.k" in key for key in annotations)


def _json_patched_where(
    target: Target, operations: list[Any], objects: list[Object]
) -> list[Object]:
    after = []
    for manifest in objects:
        is_meant = selected(manifest, target)
        after.append(json_patched(manifest, operations) if is_meant else manifest)
    return after


def _merged_by_name(path: str, change: Object, objects: list[Object]) -> list[Object]:
    """The objects after a patch that names one of them."""
    keys = list(map(_key, objects))
    if keys.count(_key(change)) != 1:
        raise NotCoveredError(f"{path}: patches no object, or several")
    at = keys.index(_key(change))
    after = list(objects)
    after[at] = merged(objects[at], change)
    return after


def _merged_where(
    target: Target, change: Object, objects: list[Object], *, rename: bool
) -> list[Object]:
    """The objects after a patch of all that a target means, whose own kind does not count."""
    after = []
    for manifest in objects:
        if not selected(manifest, target):
            after.append(manifest)
            continue
        name = change["metadata"]["name"] if rename else manifest["metadata"]["name"]
        patched = merged(manifest, {**change, "metadata": {**change["metadata"], "name": name}})
        kept = {"apiVersion": manifest["apiVersion"], "kind": manifest["kind"]}
        after.append({**patched, **kept})
    return after


def _in_namespace(folder: str, namespace: str | None, objects: list[Object]) -> list[Object]:
    if namespace is None:
        return objects
    after: list[Object] = []
    for manifest in objects:
        kind = manifest["kind"]
        if kind in _REFERS_TO_ITS_NAMESPACE or kind.endswith("WebhookConfiguration"):
            raise NotCoveredError(f"{folder}: a {kind} refers to namespaces")
        if kind == "Namespace":
            after.append(_with_metadata(manifest, "name", namespace))
        elif kind in _CLUSTER_WIDE:
            after.append(manifest)
        else:
            after.append(_with_metadata(manifest, "namespace", namespace))
    _distinct(folder, after)
    return after


def _named(folder: str, body: Object, objects: list[Object]) -> list[Object]:
    prefix, suffix = body.get("namePrefix", ""), body.get("nameSuffix", "")
    if not prefix and not suffix:
        return objects
    kinds = {manifest["kind"] for manifest in objects}
    # A Job names its PriorityClass.
    if not kinds <= _NEVER_REFERRED_TO or {"Job", "PriorityClass"} <= kinds:
        raise NotCoveredError(f"{folder}: renames what others may refer to")
    after = []
    for manifest in objects:
        name = manifest["metadata"]["name"]
        after.append(_with_metadata(manifest, "name", f"{prefix}{name}{suffix}"))
    return after


def _with_metadata(manifest: Object, key: str, value: str) -> Object:
    return {**manifest, "metadata": {**manifest["metadata"], key: value}}


def _replaced(folder: str, replacement: Object, objects: list[Object]) -> list[Object]:
    """One value copied to other places that must be there already."""
    _only(folder, replacement, {"source", "targets"}, "replacement")
    source = replacement["source"]
    _only(folder, source, {"kind", "fieldPath"}, "source")
    sources = [manifest for manifest in objects if manifest["kind"] == source["kind"]]
    if len(sources) != 1:
        raise NotCoveredError(f"{folder}: {len(sources)} objects are the source of a replacement")
    value: Any = sources[0]
    for key in _fields(folder, source["fieldPath"]):
        value = _child(folder, value, key)
    after = list(objects)
    for target in replacement["targets"]:
        _only(folder, target, {"select", "fieldPaths"}, "target")
        _only(folder, target["select"], {"kind"}, "select")
        for path in target["fieldPaths"]:
            fields = _fields(folder, path)
            for at, manifest in enumerate(after):
                if manifest["kind"] == target["select"]["kind"]:
                    after[at] = _with(folder, manifest, fields, value)
    return after


def _with(folder: str, part: Object, fields: list[str], value: Any) -> Object:
    head, *rest = fields
    child = _child(folder, part, head)
    return {**part, head: _with(folder, child, rest, value) if rest else value}


def _child(folder: str, part: Any, key: str) -> Any:
    if not isinstance(part, dict) or key not in part:
        raise NotCoveredError(f"{folder}: a replacement names {key}, which is not there")
    return part[key]


def _fields(folder: str, path: str) -> list[str]:
    """The keys of a replacement's path, in which `\\.` is a dot of a key."""
    if "[" in path or "*" in path:
        raise NotCoveredError(f"{folder}: the path {path} leads through a list")
    return [part.replace("\0", ".") for part in path.replace("\\.", "\0").split(".")]


def _target(folder: str, target: Target) -> Target:
    _only(folder, target, _TARGET_FIELDS, "target")
    for key in ("annotationSelector", "labelSelector"):
        selector = target.get(key, "=")
        if selector.count("=") != 1 or not set("!,() ").isdisjoint(selector):
            raise NotCoveredError(f"{folder}: the {key} {selector!r} is more than key=value")
    return target


def _distinct(folder: str, objects: list[Object]) -> None:
    if len(objects) != len(set(map(_key, objects))):
        raise NotCoveredError(f"{folder}: two objects have the same name")


def _key(manifest: Object) -> tuple[str, str, str, str]:
    metadata = manifest["metadata"]
    namespace = metadata.get("namespace", "")
    return manifest["apiVersion"], manifest["kind"], namespace, metadata["name"]


def _only(folder: str, part: Object, known: set[str], where: str) -> None:
    if not isinstance(part, dict) or not part.keys() <= known:
        unknown = sorted(set(part) - known)
        text = f"the {where} has fields that only Kustomize knows: {unknown}"
        raise NotCoveredError(f"{folder}: {text}")
