"""Files that are written and deleted, as people and programs read them."""

from collections.abc import Iterator, Sequence

from ml_pipeline.documents.changes import Changes
from ml_pipeline.rules.review.closed_world import stray_fault


def described(changes: Changes, note: str = "") -> str:
    """One line a file, with a note behind each; what is written comes before what is deleted."""
    if not changes:
        return "rendered files are current"
    end = f"  ({note})" if note else ""
    return "\n".join(f"{line}{end}" for line in _lines(changes))


def with_strays(changes: Changes, strays: Sequence[str], note: str = "") -> str:
    """The same, and a line for each file that may not lie among them."""
    lines = [f"stray   {stray_fault(path)}" for path in strays]
    if changes or not strays:
        lines.insert(0, described(changes, note))
    return "\n".join(lines)


def as_data(changes: Changes) -> dict[str, list[str]]:
    """The paths, for --output json."""
    return {"write": sorted(changes.write), "delete": sorted(changes.delete)}


def _lines(changes: Changes) -> Iterator[str]:
    for path in sorted(changes.write):
        yield f"write   {path}"
    for path in sorted(changes.delete):
        yield f"delete  {path}"
