"""Which rendered files of the working tree differ from what follows from its documents."""

from dataclasses import dataclass
from pathlib import Path

from ml_pipeline.adapters.git.working_tree import open_tree
from ml_pipeline.documents.changes import Changes
from ml_pipeline.rules.render.drift import drift
from ml_pipeline.rules.review.closed_world import strays
from ml_pipeline.rules.review.faults import checked_snapshot


@dataclass(frozen=True)
class Rendering:
    """What brings the rendered files up to date, and the files that nobody may keep among them.

    A stray file is no change: it is left to whoever wrote it.
    """

    changes: Changes
    strays: tuple[str, ...]


def plan(repo: Path) -> Rendering:
    """What has to be written and deleted, for `adapters.files.write_changes`.

    Raises:
        InvalidDocumentsError: a document is not valid, so nothing follows from any.
    """
    files = open_tree(repo)
    return Rendering(drift(checked_snapshot(files)), tuple(strays(files)))
