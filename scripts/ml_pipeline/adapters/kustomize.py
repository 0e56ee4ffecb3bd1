"""What overlays stand for: built here where that is exact, else by the real Kustomize, `kubectl kustomize`."""

import sys
import tempfile
from pathlib import Path
from typing import Self

from ml_pipeline.adapters import processes
from ml_pipeline.adapters.files import write_whole
from ml_pipeline.documents.faults import Fault, InvalidDocumentsError
from ml_pipeline.documents.snapshot import Files
from ml_pipeline.rules.build import Builder
from ml_pipeline.rules.objects import NotCoveredError, Object, parse_objects


def kubectl() -> str:
    """The pinned kubectl of this environment, or the one on PATH."""
    pinned = Path(sys.prefix, "bin", "kubectl")
    return str(pinned) if pinned.exists() else "kubectl"


def build(folder: Path) -> bytes:
    """The YAML stream that an overlay stands for.

    Raises:
        ProgramError: kustomize refuses the overlay.
    """
    return processes.run([kubectl(), "kustomize", str(folder)])


def build_objects(folder: Path) -> list[Object]:
    """The objects that an overlay on disk stands for, by Kustomize."""
    return parse_objects(build(folder), exact=False)


class Overlays:
    """What the folders of one tree stand for. A context: what Kustomize needs on disk is there until it ends."""

    def __init__(self, files: Files) -> None:
        self._files, self._builder = files, Builder(files)
        self._copy: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        """Nothing is on disk yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the copy."""
        if self._copy:
            self._copy.cleanup()

    def objects(self, folder: str) -> list[Object]:
        """The objects of a folder; none where it has no kustomization.

        Raises:
            InvalidDocumentsError: Kustomize refuses the folder.
        """
        if f"{folder}/kustomization.yaml" not in self._files:
            return []
        try:
            return self._builder.build(folder)
        except NotCoveredError:
            written = self._written(folder)
            try:
                return build_objects(written)
            except processes.ProgramError as error:
                said = (
                    error.stderr.strip()
                    .removeprefix("error: ")
                    .replace(f"{written}/", "")
                    .replace(str(written), folder)
                )
                text = (
                    f"cannot be built: {' '.join(said.split())}; correct it, or restore it from git"
                )
                raise InvalidDocumentsError(
                    [Fault(f"{folder}/kustomization.yaml", 1, "", text)]
                ) from error

    def _written(self, folder: str) -> Path:
        """The folder on disk, with what it may refer to: base/ and its environment, without the overlays of other Jobs."""
        if self._copy is None:
            self._copy = tempfile.TemporaryDirectory()
        root = Path(self._copy.name)
        environment = "/".join(folder.split("/")[:2]) + "/"
        for path in self._files:
            near = path.startswith(environment) and not path.startswith(f"{environment}training/")
            if (near or path.startswith(("base/", f"{folder}/"))) and not (root / path).exists():
                write_whole(root / path, self._files[path])
        return root / folder
