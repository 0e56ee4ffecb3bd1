"""Which version this is, and which revision of the repository where it is part of one."""

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from ml_pipeline.adapters.git.revisions import Revisions
from ml_pipeline.documents.faults import PipelineError

PACKAGE = "ml-pipeline"


@dataclass(frozen=True)
class Version:
    """The package's version, and the revision that its files are from; empty where none is."""

    number: str
    revision: str


def version() -> Version:
    """The version that runs."""
    return Version(metadata.version(PACKAGE), revision_of(Path(__file__)))


def revision_of(file: Path) -> str:
    """The revision of the repository that holds a file, empty where none does.

    Where the package differs from what the revision holds of it, that is said behind.
    """
    try:
        clone = Revisions(file.parent)
        # An installed copy may lie in somebody's clone without being part of it.
        if not clone.is_tracked(file):
            return ""
        changed = clone.is_changed(file.parents[1])
        return clone.revision("HEAD") + (" with changes" if changed else "")
    except (PipelineError, OSError):
        return ""
