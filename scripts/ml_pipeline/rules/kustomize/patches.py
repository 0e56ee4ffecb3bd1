"""Patches as Kustomize applies them: partial objects merged in, JSON patches (RFC 6902), targets.

Nothing is changed in place; what a patch does not touch is shared between before and after.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ml_pipeline.rules.kustomize.objects import NotCoveredError, Object

Target = Mapping[str, str]
_BUILT_IN = (
    "v1",
    "apps/v1",
    "batch/v1",
    "policy/v1",
    "networking.k8s.io/v1",
    "rbac.authorization.k8s.io/v1",
)
# Lists whose items are told apart by keys (`x-kubernetes-patch-merge-key` in the API's OpenAPI);
# all others are replaced whole.
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
# Lists whose items have two keys, or a key by the object's version: left to Kustomize.
_MORE_THAN_ONE_KEY = {
    "hostAliases",
    "ports",
    "topologySpreadConstraints",
    "conditions",
    "ownerReferences",
    "resourceClaims",
}


def selected(manifest: Object, target: Target) -> bool:
    """Whether a patch's target means an object; its values are anchored regular expressions."""
    group, _, version = manifest["apiVersion"].rpartition("/")
    have = {
        "group": group,
        "version": version,
        "kind": manifest["kind"],
        "name": manifest["metadata"]["name"],
    }
    for key in have.keys() & target.keys():
        if len(target[key]) > _LONGEST_TARGET or not _LINEAR.fullmatch(target[key]):
            raise NotCoveredError(f"the {key} {target[key]!r} is more than a name with .*")
        if not re.fullmatch(target[key], have[key]):
            return False
    for selector, field in (("annotationSelector", "annotations"), ("labelSelector", "labels")):
        if selector in target:
            key, _, value = target[selector].partition("=")
            if (manifest["metadata"].get(field) or {}).get(key) != value:
                return False
    return True


def merged(manifest: Object, change: Object) -> Object:
    """A partial object merged into a whole one, by the rules of its kind.

    Raises:
        NotCoveredError: the change has a directive, or touches a list with more than one key.
    """
    return _merged(manifest, change, by_key=manifest["apiVersion"] in _BUILT_IN)


def json_patched(manifest: Object, operations: Sequence[object]) -> Object:
    """An object after the operations `add`, `replace` and `remove`.

    Raises:
        NotCoveredError: an operation is another one, or its place is not there.
    """
    after: Any = manifest
    for operation in operations:
        known = ("add", "replace", "remove")
        if not isinstance(operation, Mapping) or operation.get("op") not in known:
            raise NotCoveredError(f"the operation {operation!r} is not covered")
        after = _operated(after, _pointer(str(operation["path"])), operation)
    return dict(after)


def _pointer(path: str) -> list[str]:
    """The keys of a JSON pointer (RFC 6901), where `~1` is a slash; `~0` last, as `~01` is none."""
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]


def _merged(part: Object, change: Object, *, by_key: bool) -> Object:
    after = dict(part)
    for key, value in change.items():
        if key.startswith("$"):
            raise NotCoveredError(f"the directive {key} is not covered")
        old = after.get(key)
        if value is None:
            after.pop(key, None)
        elif isinstance(value, dict):
            after[key] = _merged(old if isinstance(old, dict) else {}, value, by_key=by_key)
        elif isinstance(value, list) and by_key and isinstance(old, list) and old:
            after[key] = _merged_list(key, old, value)
        else:
            after[key] = value
    return after


def _merged_list(name: str, old: list[Any], change: list[Any]) -> list[Any]:
    """Items of the change, each merged with the old one of its key, then the other old ones."""
    # The order is Kustomize's.
    if name in _MORE_THAN_ONE_KEY:
        raise NotCoveredError(f"merging {name} is not covered")
    key = _MERGE_KEYS.get(name)
    if key is None:
        return change
    before, wanted = _by_key(name, key, old), _by_key(name, key, change)
    if name == "volumes" and not before.keys().isdisjoint(wanted):
        raise NotCoveredError("a volume may have one source only")
    after: list[Any] = []
    for value, item in wanted.items():
        after.append(_merged(before.get(value, {}), item, by_key=True))
    return after + [item for value, item in before.items() if value not in wanted]


def _by_key(name: str, key: str, items: list[Any]) -> dict[Any, Object]:
    """The items of a list by the key that tells them apart."""
    by_key: dict[Any, Object] = {}
    for item in items:
        if not isinstance(item, dict) or key not in item:
            raise NotCoveredError(f"an item of {name} has no {key}")
        if item[key] in by_key:
            raise NotCoveredError(f"two items of {name} have the same {key}")
        by_key[item[key]] = item
    return by_key


def _operated(part: Any, path: list[str], operation: Object) -> Any:
    if not path:
        raise NotCoveredError("an operation on the whole object is not covered")
    head, rest = path[0], path[1:]
    if isinstance(part, Mapping):
        return _operated_map(part, head, rest, operation)
    if isinstance(part, list):
        return _operated_list(part, head, rest, operation)
    raise NotCoveredError(f"the path {operation['path']} leads through a single value")


def _operated_map(part: Object, head: str, rest: list[str], operation: Object) -> Object:
    if head not in part and (rest or operation["op"] != "add"):
        raise NotCoveredError(f"the path {operation['path']} is not there")
    if rest:
        return {**part, head: _operated(part[head], rest, operation)}
    after = dict(part)
    if operation["op"] == "remove":
        del after[head]
    else:
        after[head] = operation["value"]
    return after


def _operated_list(items: list[Any], head: str, rest: list[str], operation: Object) -> list[Any]:
    adds = operation["op"] == "add" and not rest
    if head == "-" and adds:
        return [*items, operation["value"]]
    # Only an item that is added may come behind the last one.
    last = len(items) if adds else len(items) - 1
    if not head.isdecimal() or int(head) > last:
        raise NotCoveredError(f"the path {operation['path']} is not there")
    at = int(head)
    after = list(items)
    if rest:
        after[at] = _operated(items[at], rest, operation)
    elif operation["op"] == "remove":
        del after[at]
    elif adds:
        after.insert(at, operation["value"])
    else:
        after[at] = operation["value"]
    return after
