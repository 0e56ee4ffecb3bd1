"""How two sets of built objects differ: object by object, field by field, without a line for order or layout."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Object = Mapping[str, Any]
Path = tuple[str, ...]
ABSENT = object()


@dataclass(frozen=True)
class FieldChange:
    """One value: where it stands, what it was and what it will be; `ABSENT` where it is not there."""

    path: Path
    before: Any
    after: Any

    @property
    def key(self) -> str:
        """The path as people write it: `spec.containers[trainer].image`."""
        out = ""
        for part in self.path:
            out += part if part.startswith("[") or not out else f".{part}"
        return out


@dataclass(frozen=True)
class ObjectChange:
    """One object that the merge creates, changes or deletes. `fields` is empty but for a change."""

    action: Literal["create", "change", "delete"]
    kind: str
    namespace: str
    name: str
    fields: tuple[FieldChange, ...] = ()

    @property
    def title(self) -> str:
        """Kind, namespace and name."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


def object_changes(before: Iterable[Object], after: Iterable[Object]) -> list[ObjectChange]:
    """What becomes of each object, in the order of kind, namespace and name."""
    old, new = {_identity(o): o for o in before}, {_identity(o): o for o in after}
    changes = []
    for key in sorted(old.keys() | new.keys()):
        _, kind, namespace, name = key
        if key not in new:
            changes.append(ObjectChange("delete", kind, namespace, name))
        elif key not in old:
            changes.append(ObjectChange("create", kind, namespace, name))
        elif fields := tuple(_fields((), old[key], new[key])):
            changes.append(ObjectChange("change", kind, namespace, name, fields))
    return changes


def _identity(thing: Object) -> tuple[str, str, str, str]:
    metadata = thing["metadata"]
    return thing["apiVersion"], thing["kind"], metadata.get("namespace", ""), metadata["name"]


def _fields(at: Path, before: Any, after: Any) -> Iterator[FieldChange]:
    """Leaves that differ. Lists of mappings are compared by their items' names, as the API server merges them, or places."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted(before.keys() | after.keys()):
            yield from _fields((*at, str(key)), before.get(key, ABSENT), after.get(key, ABSENT))
    elif (old := _items(before)) is not None and (new := _items(after)) is not None:
        for name in sorted(old.keys() | new.keys()):
            yield from _fields((*at, f"[{name}]"), old.get(name, ABSENT), new.get(name, ABSENT))
    elif before != after:
        yield FieldChange(at, before, after)


def _items(value: Any) -> dict[str, Any] | None:
    """The items of a list of mappings by name, or by place where one has no name or two share one; None for other values."""
    if not isinstance(value, list) or not value or not all(isinstance(item, Mapping) for item in value):
        return None
    names = [str(item.get("name", "")) for item in value]
    return dict(zip(names if all(names) and len(set(names)) == len(names) else map(str, range(len(value))), value, strict=True))
