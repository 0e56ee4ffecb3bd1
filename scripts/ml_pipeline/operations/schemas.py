"""`ml-pipeline schemas`: what is generated from the kinds of document, written or checked."""

from pathlib import Path

from ml_pipeline.adapters.files import write_changes
from ml_pipeline.commands import console
from ml_pipeline.documents.changes import Changes
from ml_pipeline.documents.schemas import reference, schema_files
from ml_pipeline.operations.render import describe


def schemas(repo: Path, *, check: bool = False) -> int:
    """Bring `schemas/` and docs/reference.md up to date."""
    generated = schema_files() | {"docs/reference.md": reference()}
    stale = {
        p: raw
        for p, raw in generated.items()
        if not (repo / p).exists() or (repo / p).read_bytes() != raw
    }
    console.result(describe(Changes(stale)) if stale else "schemas are current")
    if check:
        return console.FINDINGS if stale else console.OK
    write_changes(repo, Changes(stale))
    return console.OK
