"""From a revision to objects: overlays are written out of git and built by Kustomize, each only when it has changed."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.adapters.kustomize import build_objects
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.fields import cpu_cores, memory_bytes
from ml_pipeline.documents.snapshot import Files
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.layout import rollouts_folder
from ml_pipeline.rules.identity.hashes import digest_of
from ml_pipeline.rules.kustomize.objects import Object
from ml_pipeline.rules.render.serving import RUN, TARGET

Objects = list[Object]
AT_ONCE = 2


@dataclass
class Builds:
    """Builds what Flux would: every folder of `training/` and `serving/` that holds a kustomization."""

    state: State
    repository: Repository
    environment: str
    _known: dict[str, tuple[str, Objects]] = field(default_factory=dict)

    def objects(self, revision: str) -> Objects:
        """Every object of the environment at a revision.

        Raises:
            PipelineError: an overlay does not build; nothing is returned of the others either, as with Flux.
        """
        files = self.repository.fetched(revision, ["base", f"environments/{self.environment}"])
        overlays = sorted({folder for path in files if (folder := self._overlay(path))})
        keys = {overlay: self._key(files, overlay) for overlay in overlays}
        changed = [
            overlay for overlay in overlays if self._known.get(overlay, ("",))[0] != keys[overlay]
        ]
        if changed:
            tree = self._write(files)
            with ThreadPoolExecutor(AT_ONCE) as pool:
                built = dict(
                    zip(
                        changed,
                        pool.map(lambda overlay: build_objects(tree / overlay), changed),
                        strict=True,
                    )
                )
            self._known |= {overlay: (keys[overlay], built[overlay]) for overlay in changed}
        self._known = {overlay: self._known[overlay] for overlay in overlays}
        objects = [thing for overlay in overlays for thing in self._known[overlay][1]]
        for thing in objects:
            check_shape(thing)
        return objects

    def _overlay(self, path: str) -> str | None:
        parts = path.split("/")
        if (
            len(parts) == 5
            and parts[2] in ("training", "serving")
            and parts[4] == "kustomization.yaml"
        ):
            return "/".join(parts[:4])
        return None

    def _key(self, files: Files, overlay: str) -> str:
        model = overlay.rpartition("/")[2]
        roots = ("base/", f"{overlay}/", rollouts_folder(self.environment, model))
        return digest_of(
            {
                path: raw.decode(errors="backslashreplace")
                for path, raw in files.items()
                if path.startswith(roots)
            }
        )

    def _write(self, files: Files) -> Path:
        tree = self.state.root / "tree"
        shutil.rmtree(tree, ignore_errors=True)
        for path, raw in files.items():
            target = tree / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(raw)
        return tree


def check_shape(thing: Object) -> None:
    """Refuse an object that lacks what running it needs, such as an overlay edited by hand.

    Raises:
        PipelineError: names the object and the key.
    """
    name = f"{thing.get('kind')} {thing.get('metadata', {}).get('name')}"
    try:
        if thing["kind"] == "Job":
            _check_container(
                thing["metadata"]["labels"],
                thing["spec"]["template"]["spec"]["containers"][0],
                ("command",),
            )
        elif thing["kind"] == "SeldonDeployment":
            for predictor in thing["spec"]["predictors"]:
                annotations = {**thing["metadata"]["annotations"], **predictor["annotations"]}
                _check_container(
                    annotations, predictor["componentSpecs"][0]["spec"]["containers"][0], ()
                )
                _ = (
                    annotations[TARGET],
                    annotations[RUN],
                    predictor["name"],
                    predictor["traffic"],
                    predictor["graph"]["modelUri"],
                )
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise PipelineError(
            f"{name} lacks or misspells {error}; render it anew with `ml-pipeline render`"
        ) from error


def _check_container(
    labels: dict[str, str], container: dict[str, Any], keys: tuple[str, ...]
) -> None:
    for amounts in (container["resources"]["requests"], container["resources"]["limits"]):
        cpu_cores(amounts["cpu"])
        memory_bytes(amounts["memory"])
    _ = dict(labels), container["image"], [container[key] for key in keys]
