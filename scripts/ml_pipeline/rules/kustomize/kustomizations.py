"""What Flux builds of a path, as kustomize-controller does it, and that nothing of it comes from outside the tree.

A path with a kustomization is one build. Of one without, kustomize-controller generates the root over every manifest at any depth,
and over every folder with a kustomization, which it takes whole (fluxcd/pkg, `kustomize_generator.go`, `scanManifests`).
"""

import posixpath
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Any

from ml_pipeline.documents.canonical import Location
from ml_pipeline.documents.faults import Fault
from ml_pipeline.documents.snapshot import Files
from ml_pipeline.documents.source import Source, parse

# In the order in which they are looked for (kustomize, `RecognizedKustomizationFileNames`).
NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
PARTS = ("flux", "platform", "serving", "training")
_MANIFESTS = (".yaml", ".yml")
# Whatever else Kustomize knows either names files in ways of its own (generators, transformers, validators, helmCharts, openapi,
# configurations, crds) or is an older word for one of these. Go takes keys in any case, so the list is closed.
_FIELDS = {
    "apiVersion",
    "kind",
    "metadata",
    "resources",
    "components",
    "patches",
    "namespace",
    "namePrefix",
    "nameSuffix",
    "labels",
    "commonAnnotations",
    "images",
    "replacements",
    "replicas",
    "configMapGenerator",
    "secretGenerator",
    "generatorOptions",
}
_GENERATED = {"name", "namespace", "behavior", "files", "envs", "literals", "options", "type"}
_NESTED = {
    "patches": {"path", "patch", "target", "options"},
    "replacements": {"path", "source", "targets"},
    "configMapGenerator": _GENERATED,
    "secretGenerator": _GENERATED,
}
_LOCAL = re.compile(r"(?:\.\./)*[A-Za-z0-9_][\w.-]*(?:/[A-Za-z0-9_][\w.-]*)*", re.ASCII)
# What Kustomize takes for a repository although it looks like a path (kustomize, `repospec.go`).
_REPOSITORY = re.compile(r"github\.com|\.git|_git/", re.IGNORECASE)


def part_of(path: str) -> str | None:
    """The path of Flux that a file lies below, `environments/<env>/<part>`; None elsewhere."""
    parts = path.split("/", 3)
    if len(parts) > 3 and parts[0] == "environments" and parts[2] in PARTS:
        return "/".join(parts[:3])
    return None


def unit_of(files: Files, path: str) -> str | None:
    """What Flux builds of which a file is a part: the topmost folder with a kustomization below its path, or the file itself
    where it is a manifest; None where Flux does not look at it. Automation's component is a part of the model that it is for."""
    parts = path.split("/")
    if _in_rollouts(path):
        return unit_of(files, "/".join([*parts[:2], "serving", parts[3], NAMES[0]]))
    if part_of(path) is None:
        return None
    folders = ("/".join(parts[:depth]) for depth in range(3, len(parts)))
    topmost = next((folder for folder in folders if has_kustomization(files, folder)), None)
    if topmost:
        return topmost
    return path if path in files and path.endswith(_MANIFESTS) else None


def units(files: Files, paths: Iterable[str]) -> set[str]:
    """Everything that Flux builds of some files."""
    return {unit for path in paths if (unit := unit_of(files, path))}


def is_kustomization(path: str) -> bool:
    """Whether a file is one that Kustomize builds its folder by."""
    return path.rpartition("/")[2] in NAMES


def has_kustomization(files: Files, folder: str) -> bool:
    """Whether a folder is built as its kustomization says."""
    return any(f"{folder}/{name}" in files for name in NAMES)


def changed_units(before: Files, after: Files, changed: Iterable[str]) -> tuple[set[str], set[str]]:
    """What has to be built of each side so that every object that differs is there: what a changed file is a part of; all, where
    base/ changes; and what lies below a kustomization that comes or goes, as it is a part of something else then."""
    touched = set(changed)
    if any(path.startswith("base/") for path in touched):
        return units(before, before), units(after, after)
    moved = [
        path.rpartition("/")[0] + "/"
        for path in touched
        if is_kustomization(path) and (path in before) != (path in after)
    ]
    if moved:
        for files in (before, after):
            touched |= _below(sorted(files), moved)
    return units(before, touched), units(after, touched)


def _below(paths: list[str], folders: Iterable[str]) -> set[str]:
    """The paths, of a sorted list, that lie in some folders."""
    found = set()
    for folder in folders:
        at = bisect_left(paths, folder)
        while at < len(paths) and paths[at].startswith(folder):
            found.add(paths[at])
            at += 1
    return found


def kustomization_faults(files: Files, folder: str, within: tuple[str, ...]) -> Iterator[Fault]:
    """What a kustomization may not say: whatever is not a file of this tree below one of some folders, or might not be."""
    names = [name for name in NAMES if f"{folder}/{name}" in files]
    path = f"{folder}/{names[0]}"
    if names != [NAMES[0]]:
        said = f"stands beside {names[0]}" if len(names) > 1 else "has another name"
        text = f"{said}; keep one kustomization, {NAMES[0]}"
        yield Fault(f"{folder}/{names[-1]}", 1, "", text)
    source = parse(path, files[path])
    if isinstance(source, Fault):
        yield source
        return
    yield from _unknown(source, (), source.data, _FIELDS)
    for key, known in _NESTED.items():
        for number, item in enumerate(_listed(source.data.get(key))):
            yield from _unknown(source, (key, number), item, known)
    for location, entry in _entries(source):
        wrong = _wrong(files, folder, location, entry, within)
        if wrong:
            yield source.fault(location, wrong)


def reachable_faults(files: Files, folder: str, within: tuple[str, ...]) -> list[Fault]:
    """The same of a folder and of every folder that it leads to."""
    found: list[Fault] = []
    seen, queue = set[str](), [folder]
    while queue:
        folder = queue.pop()
        if folder in seen or not has_kustomization(files, folder):
            continue
        seen.add(folder)
        found += kustomization_faults(files, folder, within)
        for name in NAMES:
            source = parse(file, files[file]) if (file := f"{folder}/{name}") in files else None
            if isinstance(source, Source):
                entries = (entry for _, entry in _entries(source) if isinstance(entry, str))
                queue += [posixpath.normpath(f"{folder}/{entry}") for entry in entries]
    return found


def _in_rollouts(path: str) -> bool:
    parts = path.split("/")
    return len(parts) > 4 and parts[0] == "environments" and parts[2] == "rollouts"


def _unknown(source: Source, at: Location, found: Any, known: set[str]) -> Iterator[Fault]:
    """Keys that are none of those that are known, or no keys at all."""
    if not isinstance(found, dict):
        yield source.fault(at, f"must hold keys and values; known are {', '.join(sorted(known))}")
        return
    for key in found.keys() - known:
        yield source.fault((*at, key), f"is not used here; known are {', '.join(sorted(known))}")


def _entries(source: Source) -> Iterator[tuple[Location, Any]]:
    """Everything in a kustomization that names a file or a folder, or ought to."""
    for key in ("resources", "components"):
        for number, entry in enumerate(_listed(source.data.get(key))):
            yield (key, number), entry
    for key in _NESTED:
        for number, item in enumerate(_listed(source.data.get(key))):
            if isinstance(item, dict):
                yield from _nested_entries((key, number), item)


def _nested_entries(at: Location, item: dict[str, Any]) -> Iterator[tuple[Location, Any]]:
    if "path" in item:
        yield (*at, "path"), item["path"]
    for name in ("files", "envs"):
        for number, entry in enumerate(_listed(item.get(name))):
            # A file of a generator may be given another name: KEY=PATH.
            yield (*at, name, number), str(entry).rpartition("=")[2]


def _listed(value: Any) -> list[Any]:
    """The items of a list; what is none is a list of itself, so that it is looked at."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _wrong(
    files: Files, folder: str, location: Location, entry: Any, within: tuple[str, ...]
) -> str | None:
    """What is wrong with a path that a kustomization names."""
    if not isinstance(entry, str) or not _LOCAL.fullmatch(entry) or _REPOSITORY.search(entry):
        return f"{entry!r} is not the path of a file of this tree; add the file and name that"
    target = posixpath.normpath(f"{folder}/{entry}")
    if not f"{target}/".startswith(within):
        return f"{entry!r} leads out of {' and '.join(within)}; move the file"
    is_folder = has_kustomization(files, target)
    if location[0] == "components" and not is_folder:
        return f"{entry!r} is no folder of this tree with a kustomization; correct the path"
    if target in files and not entry.endswith(_MANIFESTS) and location[-2] not in ("files", "envs"):
        return f"{entry!r} is no .yaml file; rename it"
    if target not in files and not (is_folder and location[0] in ("resources", "components")):
        return f"{entry!r} is no file of this tree; add it, or correct the path"
    return None
