"""`ml-pipeline render`: write the overlays that follow from the documents, or check that they are current."""

from pathlib import Path

from ml_pipeline.adapters.files import open_tree, write_changes
from ml_pipeline.rules.checks import checked
from ml_pipeline.rules.render import Changes, drift
from ml_pipeline.verbs import console


def render(repo: Path, *, check: bool = False, dry_run: bool = False, output: str = "text") -> int:
    """Bring the rendered files of the working tree up to date; with `check` only say what differs."""
    changes = drift(checked(open_tree(repo)))
    console.answer(
        as_data(changes),
        describe(changes, "stale, run `ml-pipeline render`" if check else ""),
        output,
    )
    if check:
        return console.FINDINGS if changes else console.OK
    if not dry_run:
        write_changes(repo, changes)
    return console.OK


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
