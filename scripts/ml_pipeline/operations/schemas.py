"""Which of the files that are generated from the kinds of document are not up to date."""

from pathlib import Path

from ml_pipeline.documents.changes import Changes
from ml_pipeline.documents.schemas import reference, schema_files

_REFERENCE = "docs/reference.md"


def plan(repo: Path) -> Changes:
    """What has to be written, for `adapters.files.write_changes`."""
    generated = {**schema_files(), _REFERENCE: reference()}
    stale = {}
    for path, content in generated.items():
        place = repo / path
        if not place.exists() or place.read_bytes() != content:
            stale[path] = content
    return Changes(stale)
