"""How two sets of built objects differ: object by object, field by field, without a line for order
or layout."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ml_pipeline.rules.kustomize.objects import Object

Path = tuple[str, ...]
Key = tuple[str, str, str, str]
ABSENT = object()
HIDDEN = "(hidden)"
_HELD = ("data", "stringData")  # of a Secret
_HASH = re.compile(r"-[0-9a-f]{10}\Z")


@dataclass(frozen=True)
class FieldChange:
    """One value: where it stands, what it was and what it will be; `ABSENT` where there is none."""

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
    """One object that the merge creates, changes, replaces or deletes.

    A replaced object is one whose name ends with a hash of its content: `was` is the name of the
    one before. `fields` is empty for what is created, which has its whole `content`, or deleted.
    """

    action: Literal["create", "change", "replace", "delete"]
    kind: str
    namespace: str
    name: str
    fields: tuple[FieldChange, ...] = ()
    was: str = ""
    content: Object | None = None

    @property
    def title(self) -> str:
        """Kind, namespace and name."""
        name = f"{self.namespace}/{self.name}" if self.namespace else self.name
        title = f"{self.kind} {name}"
        return f"{title}, was {self.was}" if self.was else title


def object_changes(before: Iterable[Object], after: Iterable[Object]) -> list[ObjectChange]:
    """What becomes of each object, in the order of kind, namespace and name."""
    old, new = {_identity(o): o for o in before}, {_identity(o): o for o in after}
    replaced = _replaced(old.keys() - new.keys(), new.keys() - old.keys())
    changes = []
    for key in sorted(old.keys() | new.keys()):
        _, kind, namespace, name = key
        if key in replaced:
            was = replaced[key]
            differing = _shown_fields(old[was], new[key])
            fields = tuple(field for field in differing if field.path != ("metadata", "name"))
            changes.append(ObjectChange("replace", kind, namespace, name, fields, was[3]))
        elif key in replaced.values():
            continue
        elif key not in new:
            changes.append(ObjectChange("delete", kind, namespace, name))
        elif key not in old:
            changes.append(ObjectChange("create", kind, namespace, name, content=_shown(new[key])))
        elif fields := tuple(_shown_fields(old[key], new[key])):
            changes.append(ObjectChange("change", kind, namespace, name, fields))
    return changes


def without_hash(name: str) -> str:
    """A name without the hash of content, or the short identity, that it ends with."""
    return _HASH.sub("", name)


def _shown(manifest: Object) -> Object:
    """An object as it may be printed: of a Secret, whatever it holds, the keys alone."""
    if manifest["kind"] != "Secret":
        return manifest
    return {key: _hidden(value) if key in _HELD else value for key, value in manifest.items()}


def _shown_fields(before: Object, after: Object) -> Iterator[FieldChange]:
    """What differs between two objects, the same way."""
    for field in _fields((), before, after):
        if after["kind"] == "Secret" and field.path[0] in _HELD:
            yield FieldChange(field.path, _hidden(field.before), _hidden(field.after))
        else:
            yield field


def _hidden(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict.fromkeys(value, HIDDEN)
    return value if value is ABSENT or value is None else HIDDEN


def _identity(manifest: Object) -> Key:
    metadata = manifest["metadata"]
    return manifest["apiVersion"], manifest["kind"], metadata.get("namespace", ""), metadata["name"]


def _replaced(gone: Iterable[Key], come: Iterable[Key]) -> dict[Key, Key]:
    """Which object takes the place of which: those whose names differ in nothing but the hash at
    the end, one for one."""
    olds, news = _by_stem(gone), _by_stem(come)
    replaced = {}
    for stem in olds.keys() & news.keys():
        if len(olds[stem]) == len(news[stem]) == 1:
            replaced[news[stem][0]] = olds[stem][0]
    return replaced


def _by_stem(keys: Iterable[Key]) -> dict[Key, list[Key]]:
    by_stem: dict[Key, list[Key]] = {}
    for key in keys:
        stem = without_hash(key[3])
        if stem != key[3]:
            by_stem.setdefault((*key[:3], stem), []).append(key)
    return by_stem


def _fields(at: Path, before: Any, after: Any) -> Iterator[FieldChange]:
    """Leaves that differ. Lists of mappings are compared by their items' names, as the API server
    merges them, or places; lists of arguments by option."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted(before.keys() | after.keys()):
            yield from _fields((*at, str(key)), before.get(key, ABSENT), after.get(key, ABSENT))
    elif (
        (old := _items(before)) is not None
        and (new := _items(after)) is not None
        and (old != new or before == after)
    ):
        for name in sorted(old.keys() | new.keys()):
            yield from _fields((*at, f"[{name}]"), old.get(name, ABSENT), new.get(name, ABSENT))
    elif before != after:
        yield FieldChange(at, before, after)


def _items(value: Any) -> dict[str, Any] | None:
    """The items of a list of mappings by name, or by place where one has no name or two share one;
    options of a list of arguments; None for other values."""
    if not isinstance(value, list) or not value:
        return None
    if all(isinstance(item, str) for item in value):
        return _options(value)
    if not all(isinstance(item, Mapping) for item in value):
        return None
    names = [str(item.get("name", "")) for item in value]
    if not all(names) or len(set(names)) < len(names):
        names = [str(number) for number in range(len(value))]
    return dict(zip(names, value, strict=True))


def _options(arguments: list[str]) -> dict[str, Any] | None:
    """The values of `--option=value`, None for a list without any, or with one twice."""
    pairs = [argument.partition("=") for argument in arguments]
    options = {option: value if equals else option for option, equals, value in pairs}
    is_twice = len(options) < len(pairs)
    is_any = any(option.startswith("--") for option in options)
    return options if is_any and not is_twice else None
