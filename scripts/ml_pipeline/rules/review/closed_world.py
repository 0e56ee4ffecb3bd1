"""Which files may lie where Flux builds: what the renderer writes, and what people keep in places
of their own. The rest is drift."""

from collections.abc import Iterable, Iterator

from ml_pipeline.documents.faults import Fault
from ml_pipeline.documents.snapshot import Files
from ml_pipeline.layout import (
    BUILT,
    OWN,
    environment_folder,
    folder_of,
    is_base,
    is_renderers,
    own_place,
    owner_of,
    part_of,
)
from ml_pipeline.rules.kustomize.kustomizations import (
    is_kustomization,
    kustomization_faults,
    reachable_faults,
)


def strays(files: Iterable[str]) -> list[str]:
    """Files where Flux builds that nobody may keep there: the renderer never writes them, and the
    place is not people's own."""
    return sorted(filter(_is_stray, files))


def stray_fault(path: str) -> Fault:
    """What is wrong with a stray file."""
    own = " or ".join(f"platform/{name}/" for name in OWN)
    text = (
        "is not what `ml-pipeline render` writes, and Flux builds what lies here; "
        f"delete it, or keep it in {own}"
    )
    return Fault(path, 1, "", text)


def place_faults(files: Files) -> Iterator[Fault]:
    """Every stray file, and everything in base/ and in people's own places that is not of this
    tree."""
    yield from map(stray_fault, strays(files))
    folders = {folder_of(path) for path in files if is_kustomization(path)}
    for folder in sorted(folders):
        own = own_place(f"{folder}/")
        if is_base(f"{folder}/"):
            yield from kustomization_faults(files, folder, ("base/",))
        elif own:
            yield from kustomization_faults(files, folder, (f"{own}/", "base/"))


def outside_faults(files: Files, folder: str) -> list[Fault]:
    """What a folder of an environment would be built from that is not of this tree, wherever it
    leads: Kustomize would fetch it."""
    environment = environment_folder(owner_of(folder))
    return reachable_faults(files, folder, (f"{environment}/", "base/"))


def _is_stray(path: str) -> bool:
    return part_of(path) in BUILT and not is_renderers(path) and own_place(path) is None
