"""Where the objects of people's own places are written: each by its file and the line of every
key."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml

from ml_pipeline.documents.canonical import Location
from ml_pipeline.documents.faults import Fault
from ml_pipeline.documents.nodes import MAX_BYTES, compose_all
from ml_pipeline.documents.snapshot import Files
from ml_pipeline.rules.kustomize.kustomizations import first_file
from ml_pipeline.rules.kustomize.objects import Object


@dataclass(frozen=True)
class _Written:
    path: str
    lines: Mapping[Location, int]

    def line(self, at: Location) -> tuple[int, int]:
        """How much of a location is written here, and the line of that."""
        known = next(n for n in range(len(at), -1, -1) if at[:n] in self.lines)
        return known, self.lines[at[:known]]


class Manifests:
    """What is written in the files of one place."""

    def __init__(self, files: Files, place: str) -> None:
        self._first = first_file(files, place)
        self._written: dict[tuple[str, str], list[_Written]] = {}
        for path in sorted(files):
            if path.startswith(f"{place}/") and path.endswith((".yaml", ".yml")):
                for key, written in _manifests(path, files[path]):
                    self._written.setdefault(key, []).append(written)

    def fault(self, manifest: Object, at: Location, text: str) -> Fault:
        """A fault of an object, at the key that is wrong.

        Where nothing is written under its name, as it is made otherwise, at the kustomization.
        """
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        path, line = self._first, 1
        most = -1
        # A patch may be written under the same name: the one that has more of the key counts.
        for written in self._written.get((kind, name), ()):
            known, its_line = written.line(at)
            if known > most:
                path, line, most = written.path, its_line, known
        return Fault(path, line, "", f"{kind} {name}: {text}")


def _manifests(path: str, raw: bytes) -> Iterator[tuple[tuple[str, str], _Written]]:
    """Each object of a file, by kind and name; none of one that is not read."""
    try:
        roots = list(compose_all(raw)) if len(raw) <= MAX_BYTES else []
    except (yaml.YAMLError, UnicodeDecodeError):
        return
    for root in roots:
        kind, name = _text(root, "kind"), _text(_child(root, "metadata"), "name")
        if kind and name:
            yield (kind, name), _Written(path, dict(_lines(root, ())))


def _lines(node: yaml.Node, at: Location) -> Iterator[tuple[Location, int]]:
    if not at:
        yield at, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield (*at, key.value), key.start_mark.line + 1
                yield from _lines(value, (*at, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield (*at, number), item.start_mark.line + 1
            yield from _lines(item, (*at, number))


def _child(node: yaml.Node | None, name: str) -> yaml.Node | None:
    children: list[tuple[yaml.Node, yaml.Node]] = []
    if isinstance(node, yaml.MappingNode):
        children = node.value
    for key, value in children:
        if isinstance(key, yaml.ScalarNode) and key.value == name:
            return value
    return None


def _text(node: yaml.Node | None, name: str) -> str:
    child = _child(node, name)
    return str(child.value) if isinstance(child, yaml.ScalarNode) else ""
