"""Patches as Kustomize applies them: partial objects merged in, JSON patches (RFC 6902), and which objects they are for.

Nothing is changed in place; what a patch does not touch is shared between before and after.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ml_pipeline.rules.kustomize.objects import NotCoveredError, Object

Target = Mapping[str, Any]
_BUILT_IN = (
    "v1",
    "apps/v1",
    "batch/v1",
    "policy/v1",
    "networking.k8s.io/v1",
    "rbac.authorization.k8s.io/v1",
)
# Lists whose items are told apart by keys (`x-kubernetes-patch-merge-key` in the API's OpenAPI); all others are replaced whole.
_MERGE_KEYS = {
    "containers": "name",
    "env": "name",
    "ephemeralContainers": "name",
    "imagePullSecrets": "name",
    "initContainers": "name",
    "volumeMounts": "mountPath",
    "volumes": "name",
}
# Of regular expressions, what takes no longer here than in Go, where none takes exponential time.
_LONGEST_TARGET = 253
_LINEAR = re.compile(r"[\w.-]*(?:\.\*)?[\w.-]*(?:\|[\w.-]+)*")
_MORE_THAN_ONE_KEY = {
    "hostAliases",
    "ports",
    "topologySpreadConstraints",
    "conditions",
    "ownerReferences",
    "resourceClaims",
}


def selected(thing: Object, target: Target) -> bool:
    """Whether a patch's target means an object; its values are anchored regular expressions."""
    group, _, version = thing["apiVersion"].rpartition("/")
    have = {
        "group": group,
        "version": version,
        "kind": thing["kind"],
        "name": thing["metadata"]["name"],
    }
    for key in have.keys() & target.keys():
        if len(target[key]) > _LONGEST_TARGET or not _LINEAR.fullmatch(target[key]):
            raise NotCoveredError(f"the {key} {target[key]!r} is more than a name with .*")
        if not re.fullmatch(target[key], have[key]):
            return False
    for selector, field in (("annotationSelector", "annotations"), ("labelSelector", "labels")):
        if selector in target:
            key, _, value = target[selector].partition("=")
            if (thing["metadata"].get(field) or {}).get(key) != value:
                return False
    return True


def merged(thing: Object, change: Object) -> dict[str, Any]:
    """A partial object merged into a whole one, by the rules of its kind.

    Raises:
        NotCoveredError: the change has a directive, or touches a list with more than one key.
    """
    return _merged(thing, change, by_key=thing["apiVersion"] in _BUILT_IN)


def json_patched(thing: Object, operations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """An object after the operations `add`, `replace` and `remove`.

    Raises:
        NotCoveredError: an operation is another one, or its place is not there.
    """
    out: Any = thing
    for operation in operations:
        if not isinstance(operation, Mapping) or operation.get("op") not in (
            "add",
            "replace",
            "remove",
        ):
            raise NotCoveredError(f"the operation {operation!r} is not covered")
        parts = [
            part.replace("~1", "/").replace("~0", "~")
            for part in str(operation["path"]).split("/")[1:]
        ]
        out = _operated(out, parts, operation)
    return dict(out)


def _merged(thing: Mapping[str, Any], change: Mapping[str, Any], *, by_key: bool) -> dict[str, Any]:
    out = dict(thing)
    for key, value in change.items():
        if key.startswith("$"):
            raise NotCoveredError(f"the directive {key} is not covered")
        old = out.get(key)
        if value is None:
            out.pop(key, None)
        elif isinstance(value, dict):
            out[key] = _merged(old if isinstance(old, dict) else {}, value, by_key=by_key)
        elif isinstance(value, list) and by_key and isinstance(old, list) and old:
            out[key] = _merged_list(key, old, value)
        else:
            out[key] = value
    return out


def _merged_list(name: str, old: list[Any], change: list[Any]) -> list[Any]:
    """Items of the change first, each merged with the old one of its key, then the other old ones: Kustomize's order."""
    if name in _MORE_THAN_ONE_KEY:
        raise NotCoveredError(f"merging {name} is not covered")
    key = _MERGE_KEYS.get(name)
    if key is None:
        return change
    if not all(isinstance(item, dict) and key in item for item in (*old, *change)):
        raise NotCoveredError(f"an item of {name} has no {key}")
    by_key = {item[key]: item for item in old}
    if len(by_key) != len(old) or len({item[key] for item in change}) != len(change):
        raise NotCoveredError(f"two items of {name} have the same {key}")
    if name == "volumes" and any(item[key] in by_key for item in change):
        raise NotCoveredError("a volume may have one source only")
    patched = [_merged(by_key.get(item[key], {}), item, by_key=True) for item in change]
    return patched + [item for item in old if item[key] not in {i[key] for i in change}]


def _operated(thing: Any, parts: list[str], operation: Mapping[str, Any]) -> Any:
    if not parts:
        raise NotCoveredError("an operation on the whole object is not covered")
    head, rest = parts[0], parts[1:]
    if isinstance(thing, Mapping):
        return _operated_map(thing, head, rest, operation)
    if isinstance(thing, list):
        return _operated_list(thing, head, rest, operation)
    raise NotCoveredError(f"the path {operation['path']} leads through a single value")


def _operated_map(
    thing: Mapping[str, Any], head: str, rest: list[str], operation: Mapping[str, Any]
) -> dict[str, Any]:
    if head not in thing and (rest or operation["op"] != "add"):
        raise NotCoveredError(f"the path {operation['path']} is not there")
    if rest:
        return {**thing, head: _operated(thing[head], rest, operation)}
    if operation["op"] == "remove":
        return {key: value for key, value in thing.items() if key != head}
    return {**thing, head: operation["value"]}


def _operated_list(
    thing: list[Any], head: str, rest: list[str], operation: Mapping[str, Any]
) -> list[Any]:
    adds = operation["op"] == "add" and not rest
    if head == "-" and adds:
        return [*thing, operation["value"]]
    if not head.isdecimal() or int(head) > len(thing) - (not adds):
        raise NotCoveredError(f"the path {operation['path']} is not there")
    at = int(head)
    if rest:
        return [*thing[:at], _operated(thing[at], rest, operation), *thing[at + 1 :]]
    if operation["op"] == "remove":
        return thing[:at] + thing[at + 1 :]
    return [*thing[:at], operation["value"], *thing[at + (not adds) :]]
