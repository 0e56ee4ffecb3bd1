"""What Flux builds of a path, and that nothing of it comes from outside the tree.

A path with a kustomization is one build. Of one without, kustomize-controller generates the root
over every manifest at any depth, and over every folder with a kustomization, which it takes whole
(fluxcd/pkg, `kustomize_generator.go`, `scanManifests`).
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator

from ml_pipeline.documents.canonical import Location
from ml_pipeline.documents.faults import Fault
from ml_pipeline.documents.snapshot import Files
from ml_pipeline.documents.source import Source, parse
from ml_pipeline.layout import (
    built_path,
    file_of,
    folder_of,
    folders_between,
    is_base,
    resolved,
    rolled_out,
    serving_folder,
)
from ml_pipeline.rules.kustomize.objects import Object

# In the order in which they are looked for (kustomize, `RecognizedKustomizationFileNames`).
NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_MANIFESTS = (".yaml", ".yml")
# Whatever else Kustomize knows either names files in ways of its own (generators, transformers,
# validators, helmCharts, openapi, configurations, crds) or is an older word for one of these. Go
# takes keys in any case, so the list is closed.
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


def unit_of(files: Files, path: str) -> str | None:
    """What Flux builds of which a file is a part; None where Flux does not look at it.

    It is the topmost folder with a kustomization below Flux's path, or the file itself where it is
    a manifest. Automation's component is a part of the model that it is for.
    """
    model = rolled_out(path)
    if model:
        return unit_of(files, f"{serving_folder(*model)}/{NAMES[0]}")
    top = built_path(path)
    if top is None:
        return None
    for folder in folders_between(top, path):
        if has_kustomization(files, folder):
            return folder
    return path if path in files and path.endswith(_MANIFESTS) else None


def units(files: Files, paths: Iterable[str]) -> set[str]:
    """Everything that Flux builds of some files."""
    return set(filter(None, (unit_of(files, path) for path in paths)))


def is_kustomization(path: str) -> bool:
    """Whether a file is one that Kustomize builds its folder by."""
    return file_of(path) in NAMES


def has_kustomization(files: Files, folder: str) -> bool:
    """Whether a folder is built as its kustomization says."""
    return kustomization_in(files, folder) is not None


def kustomization_in(files: Files, folder: str) -> str | None:
    """The file that a folder is built by, the first of those that are looked for."""
    for name in NAMES:
        path = f"{folder}/{name}"
        if path in files:
            return path
    return None


def changed_units(before: Files, after: Files, changed: Iterable[str]) -> tuple[set[str], set[str]]:
    """What has to be built of each side so that every object that differs is there.

    That is what a changed file is a part of; all, where base/ changes; and what lies below a
    kustomization that comes or goes, as it is a part of something else then.
    """
    touched = set(changed)
    if any(map(is_base, touched)):
        return units(before, before), units(after, after)
    kustomizations = [path for path in touched if is_kustomization(path)]
    moved = [p for p in kustomizations if (p in before) != (p in after)]
    if moved:
        for files in (before, after):
            touched |= _below(sorted(files), map(folder_of, moved))
    return units(before, touched), units(after, touched)


def _below(paths: list[str], folders: Iterable[str]) -> set[str]:
    """The paths, of a sorted list, that lie in some folders."""
    below = set()
    for folder in folders:
        at = bisect_left(paths, f"{folder}/")
        while at < len(paths) and paths[at].startswith(f"{folder}/"):
            below.add(paths[at])
            at += 1
    return below


def first_file(files: Files, unit: str) -> str:
    """The file by which a unit is built: the manifest, or the folder's kustomization."""
    return unit if unit in files else f"{unit}/{NAMES[0]}"


def kustomization_faults(files: Files, folder: str, within: tuple[str, ...]) -> Iterator[Fault]:
    """What a kustomization may not say.

    That is whatever is not a file of this tree below one of some folders, or might not be.
    """
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
    faults: list[Fault] = []
    for path in reached(files, folder):
        if has_kustomization(files, path):
            faults += kustomization_faults(files, path, within)
    return faults


def reached(files: Files, folder: str) -> list[str]:
    """A folder, every path that its kustomization names, and those that it leads to."""
    seen, queue = dict[str, None](), [folder]
    while queue:
        path = queue.pop()
        if path not in seen:
            seen[path] = None
            # Two files of it are a fault by themselves; what the second leads to counts too.
            for name in NAMES:
                queue += _led_to(files, path, name)
    return list(seen)


def _led_to(files: Files, folder: str, name: str) -> Iterator[str]:
    """The paths that a kustomization of a folder names, by whichever name it has."""
    path = f"{folder}/{name}"
    source = parse(path, files[path]) if path in files else None
    if isinstance(source, Source):
        for _, entry in _entries(source):
            if isinstance(entry, str):
                yield resolved(folder, entry)


def _unknown(source: Source, at: Location, part: object, known: set[str]) -> Iterator[Fault]:
    """Keys that are none of those that are known, or no keys at all."""
    if not isinstance(part, dict):
        yield source.fault(at, f"must hold keys and values; known are {', '.join(sorted(known))}")
        return
    for key in part.keys() - known:
        yield source.fault((*at, key), f"is not used here; known are {', '.join(sorted(known))}")


def _entries(source: Source) -> Iterator[tuple[Location, object]]:
    """Everything in a kustomization that names a file or a folder, or ought to."""
    for key in ("resources", "components"):
        for number, entry in enumerate(_listed(source.data.get(key))):
            yield (key, number), entry
    for key in _NESTED:
        for number, item in enumerate(_listed(source.data.get(key))):
            if isinstance(item, dict):
                yield from _nested_entries((key, number), item)


def _nested_entries(at: Location, item: Object) -> Iterator[tuple[Location, object]]:
    if "path" in item:
        yield (*at, "path"), item["path"]
    for name in ("files", "envs"):
        for number, entry in enumerate(_listed(item.get(name))):
            # A file of a generator may be given another name: KEY=PATH.
            yield (*at, name, number), str(entry).rpartition("=")[2]


def _listed(value: object) -> list[object]:
    """The items of a list; what is none is a list of itself, so that it is looked at."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _wrong(
    files: Files, folder: str, location: Location, entry: object, within: tuple[str, ...]
) -> str | None:
    """What is wrong with a path that a kustomization names."""
    if not isinstance(entry, str) or not _LOCAL.fullmatch(entry) or _REPOSITORY.search(entry):
        return f"{entry!r} is not the path of a file of this tree; add the file and name that"
    target = resolved(folder, entry)
    # With the slash, as `environments/local-2` does not lie below `environments/local`.
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
