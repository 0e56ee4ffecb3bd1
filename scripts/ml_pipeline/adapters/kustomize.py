"""What overlays stand for: built here where that is exact, else by `kubectl kustomize`.

Nothing is fetched: what leads out of the tree is refused before Kustomize sees it, and Kustomize
finds no git and no network.
"""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Self

from ml_pipeline.adapters import processes
from ml_pipeline.adapters.files import write_whole
from ml_pipeline.documents.faults import Fault, InvalidDocumentsError
from ml_pipeline.documents.snapshot import Files
from ml_pipeline.documents.writer import to_yaml
from ml_pipeline.layout import BASE, ENVIRONMENTS, owner_of, part_of
from ml_pipeline.rules.kustomize.bounds import bounds_faults
from ml_pipeline.rules.kustomize.build import Builder, has_plain_names
from ml_pipeline.rules.kustomize.kustomizations import NAMES, first_file, has_kustomization
from ml_pipeline.rules.kustomize.objects import MAX_BUILT, NotCoveredError, Object, parse_built
from ml_pipeline.rules.render.overlays import kustomization_file
from ml_pipeline.rules.review.closed_world import outside_faults

# Port 9 discards: a proxy that never answers. Without PATH there is no git to clone with.
_OFFLINE = {
    "PATH": "/nonexistent",
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9"),
    "NO_PROXY": "",
}
# What a build of hundreds of objects takes is a tenth of this.
_LIMITS = processes.Limits(memory=256 * 2**20, seconds=60, output=MAX_BUILT)


def kubectl() -> str:
    """The pinned kubectl of this environment, or the one on PATH."""
    pinned = Path(sys.prefix, "bin", "kubectl")
    return str(pinned) if pinned.exists() else shutil.which("kubectl") or "kubectl"


def build(folder: Path) -> bytes:
    """The YAML stream that an overlay stands for, loaded as kustomize-controller does it.

    Files may come from anywhere in the tree.

    Raises:
        ProgramError: kustomize refuses the overlay.
    """
    command = [kubectl(), "kustomize", "--load-restrictor=LoadRestrictionsNone", str(folder)]
    return processes.run_limited(command, _LIMITS, env=_OFFLINE)


def build_objects(folder: Path) -> list[Object]:
    """The objects that an overlay on disk stands for, by Kustomize."""
    return parse_built(build(folder))


class Overlays:
    """What the folders of one tree stand for, each built once.

    A context: what Kustomize needs on disk is there until it ends.
    """

    def __init__(self, files: Files) -> None:
        self._files, self._builder = files, Builder(files)
        self._built: dict[str, list[Object]] = {}
        self._copy: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        """Nothing is on disk yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the copy."""
        if self._copy:
            self._copy.cleanup()

    def objects(self, unit: str) -> list[Object]:
        """The objects of a folder, or of a manifest that is built by itself.

        None where the folder has no kustomization.

        Raises:
            InvalidDocumentsError: Kustomize refuses it, or it leads out of the tree.
        """
        if unit not in self._built:
            self._built[unit] = self._objects(unit)
        return self._built[unit]

    def _objects(self, unit: str) -> list[Object]:
        if unit not in self._files and not has_kustomization(self._files, unit):
            return []
        try:
            return self._builder.build(unit)
        except NotCoveredError:
            built = parse_built(self.stream(unit))
        if not all(map(has_plain_names, built)):
            text = (
                "holds an object whose apiVersion, kind, name or namespace is no text; correct it"
            )
            raise InvalidDocumentsError([Fault(first_file(self._files, unit), 1, "", text)])
        return built

    def stream(self, unit: str) -> bytes:
        """The YAML stream of a folder, or of a manifest that is built by itself, by Kustomize.

        Raises:
            InvalidDocumentsError: Kustomize refuses it, or it leads out of the tree.
        """
        # In this order: what is told of a folder counts and follows its entries, which
        # `outside_faults` has found to be of this tree.
        faults = outside_faults(self._files, unit) or bounds_faults(self._files, unit)
        if faults:
            raise InvalidDocumentsError(faults)
        written = self._written(unit)
        try:
            return build(written)
        except processes.ProgramError as error:
            said = self._without_places(error.stderr, written, unit)
            text = f"cannot be built: {said}; correct it, or restore it from git"
            raise InvalidDocumentsError(
                [Fault(first_file(self._files, unit), 1, "", text)]
            ) from error

    @staticmethod
    def _without_places(stderr: str, written: Path, unit: str) -> str:
        """What Kustomize has said of a temporary folder, in one line, as of this tree."""
        said = stderr.strip().removeprefix("error: ").replace(f"{written}/", "")
        root = str(written).removesuffix(unit)
        said = said.replace(str(written), unit).replace(root, "")
        return " ".join(said.split())

    def _written(self, unit: str) -> Path:
        """The folder on disk, with what it may refer to.

        A manifest gets the root that kustomize-controller generates.
        """
        if self._copy is None:
            self._copy = tempfile.TemporaryDirectory()
        root = Path(self._copy.name)
        if unit in self._files:
            alone = root / "alone" / unit
            write_whole(alone / "manifest.yaml", self._files[unit])
            body = kustomization_file(resources=["manifest.yaml"])
            write_whole(alone / NAMES[0], to_yaml(body))
            return alone
        for path in self._files:
            if _may_be_referred_to(path, unit) and not (root / path).exists():
                write_whole(root / path, self._files[path])
        return root / unit


def _may_be_referred_to(path: str, unit: str) -> bool:
    """Whether a file is in base/, in the folder, or in its environment and of no other Job."""
    if path.startswith((f"{BASE}/", f"{unit}/")):
        return True
    # There are as many overlays of Jobs as there are runs, and none refers to another.
    is_near = path.startswith(f"{ENVIRONMENTS}/") and owner_of(path) == owner_of(unit)
    return is_near and part_of(path) != "training"
