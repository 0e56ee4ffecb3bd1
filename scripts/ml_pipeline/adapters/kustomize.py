"""Building overlays with the real Kustomize, `kubectl kustomize`."""

import sys
from pathlib import Path
from typing import Any

import yaml

from ml_pipeline.adapters import processes


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


def build_objects(folder: Path) -> list[dict[str, Any]]:
    """The objects that an overlay stands for."""
    return [document for document in yaml.load_all(build(folder), Loader=yaml.CSafeLoader) if document]
