"""What Kustomize is not handed, as a few lines of it would take all memory.

Those are aliases, deep files, and folders that multiply.
"""

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

import yaml

from ml_pipeline.documents.faults import Fault
from ml_pipeline.documents.nodes import MAX_BYTES, RefusedYamlError, compose_all, too_large
from ml_pipeline.documents.snapshot import Files
from ml_pipeline.documents.source import Source, parse
from ml_pipeline.layout import resolved
from ml_pipeline.rules.kustomize.kustomizations import NAMES, kustomization_in

MOST_ENTRIES = 10_000


def bounds_faults(files: Files, unit: str) -> list[Fault]:
    """What stands in the way of building a folder, or a manifest, within limits.

    None of it leads out of the tree: others see to that first.
    """
    if unit in files:
        return list(_file_faults(unit, files[unit]))
    entries = _Entries(files)
    faults: list[Fault] = []
    if entries.number(unit) > MOST_ENTRIES:
        text = f"leads to more than {MOST_ENTRIES} files, some again and again; name each once"
        faults.append(Fault(f"{unit}/{NAMES[0]}", 1, "", text))
    for path in sorted(entries.read):
        faults += _file_faults(path, files[path])
    for source in entries.sources:
        faults += _patch_faults(source)
    return faults


class _Entries:
    """What a folder leads to.

    That is every file that Kustomize parses, and how many there are if each counts as often as it
    is named.
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self.read: set[str] = set()
        self.sources: list[Source] = []

    def number(self, unit: str) -> int:
        """Entries of a folder and of all that it leads to, each as often as it is named.

        It is at most one more than MOST_ENTRIES.
        """
        graph: dict[str, list[str]] = {}
        waiting = [unit]
        while waiting:
            place = waiting.pop()
            if place not in graph:
                graph[place] = self._entries(place)
                waiting += graph[place]
        # Folders that name two each, which name two each: looked at once, counted as built.
        numbers: dict[str, int] = {}
        try:
            for place in TopologicalSorter(graph).static_order():
                total = 1 + sum(numbers[entry] for entry in graph[place])
                numbers[place] = min(total, MOST_ENTRIES + 1)
        except CycleError:  # Kustomize says it better
            return 0
        return numbers[unit]

    def _entries(self, place: str) -> list[str]:
        path = kustomization_in(self._files, place)
        if path is None:
            if place in self._files:
                self.read.add(place)
            return []
        source = parse(path, self._files[path])
        if isinstance(source, Source):
            self.sources.append(source)
        self.read.add(path)
        return [resolved(place, entry) for entry in _named(source)]


def _named(source: Source | Fault) -> Iterator[str]:
    if isinstance(source, Fault):
        return
    for key in ("resources", "components"):
        for entry in _listed(source.data.get(key)):
            if isinstance(entry, str):
                yield entry
    for key in ("patches", "replacements"):
        for item in _listed(source.data.get(key)):
            if isinstance(item, dict) and isinstance(item.get("path"), str):
                yield item["path"]


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _file_faults(path: str, raw: bytes) -> Iterator[Fault]:
    if len(raw) > MAX_BYTES:
        yield Fault(path, 1, "", "; ".join(too_large(raw)))
        return
    try:
        for _ in compose_all(raw):
            pass
    except RefusedYamlError as error:
        yield error.fault(path)
    except (yaml.YAMLError, UnicodeDecodeError):
        return  # Kustomize says it better


def _patch_faults(source: Source) -> Iterator[Fault]:
    """The same of the patches that stand in a kustomization as text."""
    for number, item in enumerate(_listed(source.data.get("patches"))):
        text = item.get("patch") if isinstance(item, dict) else None
        if isinstance(text, str):
            for fault in _file_faults(source.path, text.encode()):
                yield source.fault(("patches", number, "patch"), fault.text)
