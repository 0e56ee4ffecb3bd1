"""`ml-pipeline render`: write the overlays that follow from the documents, or check that they are current."""

from pathlib import Path

from ml_pipeline.adapters.files import write_changes
from ml_pipeline.adapters.git.revisions import open_tree
from ml_pipeline.commands import console
from ml_pipeline.documents.changes import Changes
from ml_pipeline.rules.render.drift import drift
from ml_pipeline.rules.review.closed_world import stray_fault, strays
from ml_pipeline.rules.review.faults import checked_snapshot


def render(repo: Path, *, check: bool = False, dry_run: bool = False, output: str = "text") -> int:
    """Bring the rendered files of the working tree up to date; with `check` only say what differs. 1 with `check` if anything does,
    and always where a file lies that nobody may keep there: that is said, and left to whoever wrote it."""
    files = open_tree(repo)
    changes, astray = drift(checked_snapshot(files)), strays(files)
    note = "stale, run `ml-pipeline render`" if check else ""
    lines = [describe(changes, note)] if changes or not astray else []
    lines += [f"stray   {stray_fault(path)}" for path in astray]
    console.answer(as_data(changes) | {"stray": astray}, "\n".join(lines), output)
    if not check and not dry_run:
        write_changes(repo, changes)
    return console.FINDINGS if astray or (check and changes) else console.OK


def describe(changes: Changes, note: str = "") -> str:
    """One line a file."""
    lines = [f"write   {path}" for path in sorted(changes.write)] + [
        f"delete  {path}" for path in sorted(changes.delete)
    ]
    if not lines:
        return "rendered files are current"
    return "\n".join(f"{line}  ({note})" if note else line for line in lines)


def as_data(changes: Changes) -> dict[str, list[str]]:
    """The paths, for --output json."""
    return {"write": sorted(changes.write), "delete": sorted(changes.delete)}
