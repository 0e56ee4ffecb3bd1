"""From a revision to objects: overlays are written out of git and built by Kustomize.

Each is built only when it has changed.
"""

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.adapters.kustomize import build_objects
from ml_pipeline.documents.snapshot import Files
from ml_pipeline.environments.embedded.shape import check_shape
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.layout import BASE, environment_folder, file_of, folder_of, rollouts_folder
from ml_pipeline.rules.identity.hashes import digest_of
from ml_pipeline.rules.kustomize.objects import Object

PARTS = ("training", "serving")
AT_ONCE = 2  # builds; one takes about 0.2 s of a core


class Build(NamedTuple):
    """The objects of an overlay, and the digest of all that they were built from."""

    key: str
    objects: Sequence[Object]


@dataclass
class Builds:
    """Builds what Flux would: every folder of `training/` and `serving/` with a kustomization."""

    state: State
    repository: Repository
    environment: str
    _known: dict[str, Build] = field(default_factory=dict)

    def objects(self, revision: str) -> list[Object]:
        """Every object of the environment at a revision.

        Raises:
            PipelineError: an overlay does not build; nothing is returned of the others either, as
                with Flux.
        """
        files = self.repository.fetched(revision, [BASE, environment_folder(self.environment)])
        overlays = self._overlays(files)
        # Kept only when all of them are built: a revision that fails leaves what was known.
        self._known = self._built(files, {each: self._key(files, each) for each in overlays})
        objects = [manifest for overlay in overlays for manifest in self._known[overlay].objects]
        for manifest in objects:
            check_shape(manifest)
        return objects

    def _overlays(self, files: Files) -> list[str]:
        parents = [environment_folder(self.environment, part) for part in PARTS]
        folders = {folder_of(path) for path in files if file_of(path) == "kustomization.yaml"}
        # One level below these: a served model's own components lie deeper.
        return sorted(folder for folder in folders if folder_of(folder) in parents)

    def _built(self, files: Files, keys: dict[str, str]) -> dict[str, Build]:
        """The build of each overlay, from before where nothing of it has changed."""
        known = {name: build for name, build in self._known.items() if keys.get(name) == build.key}
        changed = [overlay for overlay in keys if overlay not in known]
        if not changed:
            return known
        tree = self._write(files)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            built = pool.map(build_objects, [tree / overlay for overlay in changed])
            for overlay, objects in zip(changed, built, strict=True):
                known[overlay] = Build(keys[overlay], objects)
        return known

    def _key(self, files: Files, overlay: str) -> str:
        """Digest of everything that an overlay is built from."""
        rollouts = rollouts_folder(self.environment, file_of(overlay))
        roots = (f"{BASE}/", f"{overlay}/", rollouts)
        texts = {}
        for path, raw in files.items():
            if path.startswith(roots):
                texts[path] = raw.decode(errors="backslashreplace")
        return digest_of(texts)

    def _write(self, files: Files) -> Path:
        """The files as a folder for Kustomize; whole and anew, so that none of before is left."""
        tree = self.state.root / "tree"
        shutil.rmtree(tree, ignore_errors=True)
        for path, raw in files.items():
            target = tree / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(raw)
        return tree
