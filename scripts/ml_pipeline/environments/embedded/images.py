"""Images of the embedded environment: code by its content digest, and an interpreter.

The code is taken from git's objects.
"""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from ml_pipeline.adapters.git import code
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.environments.embedded.state import State


@dataclass(frozen=True)
class Images:
    """Finds the code that a pinned digest stands for."""

    state: State
    repository: Repository

    def resolve(self, image: str) -> tuple[Path, Path]:
        """Folder with the code of `name@sha256:...`, and the Python that runs it.

        Raises:
            PipelineError: no commit has this digest, or the interpreter is not installed.
        """
        name, _, digest = image.rpartition("@")
        name = name.rpartition("/")[2]
        python = interpreter(name)
        folder = self.state.root / "images" / f"{name}-{digest.removeprefix('sha256:')[:16]}"
        if not folder.exists():
            revision = code.revision_of(self.repository, self.repository.branch, name, digest)
            # What a kill has left half-written; `extract` renames the folder once it is whole.
            shutil.rmtree(folder.with_name(f".{folder.name}.building"), ignore_errors=True)
            code.extract(self.repository, revision, name, folder)
        return folder, python


def interpreter(name: str) -> Path:
    """Python of an image: this one for the trainer, else that of the environment beside it."""
    python = Path(sys.executable)
    if name != "trainer":
        python = Path(f"{sys.prefix}-{name}", "bin", "python")
    if not python.exists():
        raise PipelineError(
            f"{python} is not there, which runs the image {name!r}; run `make setup`"
        )
    return python
