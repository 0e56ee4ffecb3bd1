"""`ml-pipeline --version`: which version this is, and which revision of the repository where it is part of one."""

from importlib import metadata
from pathlib import Path

from ml_pipeline.adapters.git.revisions import Revisions
from ml_pipeline.commands import console
from ml_pipeline.documents.faults import PipelineError

PACKAGE = "ml-pipeline"


def version() -> int:
    """Print the version of the package, and the revision that its files are from."""
    found = revision_of(Path(__file__))
    console.result(f"{PACKAGE} {metadata.version(PACKAGE)}{f', revision {found}' if found else ''}")
    return console.OK


def revision_of(file: Path) -> str:
    """The revision of the repository that holds a file, and whether its folder differs; empty where none does."""
    try:
        clone = Revisions(file.parent)
        # An installed copy may lie in somebody's clone without being part of it.
        if not clone.is_tracked(file):
            return ""
        changed = clone.is_changed(file.parents[1])
        return clone.revision("HEAD") + (" with changes" if changed else "")
    except (PipelineError, OSError):
        return ""
