"""Files that are written and deleted, as people and programs read them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a command that only shows its help waits for none of this
    from ml_pipeline.documents.changes import Changes


def described(changes: "Changes", note: str = "") -> str:
    """One line a file, with a note behind each; what is written comes before what is deleted."""
    if not changes:
        return "rendered files are current"
    end = f"  ({note})" if note else ""
    return "\n".join(f"{line}{end}" for line in _lines(changes))


def as_data(changes: "Changes") -> dict[str, list[str]]:
    """The paths, for --output json."""
    return {"write": sorted(changes.write), "delete": sorted(changes.delete)}


def _lines(changes: "Changes") -> Iterator[str]:
    for path in sorted(changes.write):
        yield f"write   {path}"
    for path in sorted(changes.delete):
        yield f"delete  {path}"
