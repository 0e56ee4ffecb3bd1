"""`ml-pipeline diff`: what merging the working tree would do, before it is merged."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ml_pipeline.adapters.kustomize import Overlays
from ml_pipeline.adapters.revisions import Comparison, Revisions
from ml_pipeline.documents.faults import InvalidDocumentsError, PipelineError
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.consequences import Consequence, consequences
from ml_pipeline.rules.cost import money
from ml_pipeline.rules.diff import ABSENT, FieldChange, ObjectChange, object_changes
from ml_pipeline.rules.overlays import folder_of
from ml_pipeline.verbs import console

COMMENT_LIMIT = 65_536  # characters that GitHub takes in one comment
_SIGNS = {"create": "+", "change": "~", "delete": "-"}


def diff(repo: Path, base: str = "origin/main", *, output: str = "text") -> int:
    """Consequences and objects of merging the working tree into a base; 1 if there are any."""
    revisions = Revisions(repo)
    compared = revisions.comparison(revisions.fork_point(base))
    before, after = Snapshot(compared.before), Snapshot(compared.after)
    told = _told(base, before, after, compared.changed)
    changes = changed_objects(compared)
    data = {"consequences": [asdict(c) for c in told], "objects": [_as_data(change) for change in changes]}
    console.answer(data, markdown(told, changes) if output == "markdown" else text(told, changes), output)
    return console.FINDINGS if told or changes else console.OK


def _told(base: str, before: Snapshot, after: Snapshot, changed: Iterable[str]) -> list[Consequence]:
    """The consequences; documents of the base may be older than what this version reads."""
    try:
        return consequences(before, after, changed)
    except InvalidDocumentsError as error:
        fault = error.faults[0]
        if fault.path in before.files and before.files[fault.path] != after.files.get(fault.path):
            raise PipelineError(f"{base} cannot be compared with, it holds: {fault}; or name another --base") from error
        raise


def changed_objects(compared: Comparison) -> list[ObjectChange]:
    """What becomes of each object, folder by folder."""
    changes: list[ObjectChange] = []
    with Overlays(compared.before) as before, Overlays(compared.after) as after:
        for root in changed_roots(compared):
            changes += object_changes(before.objects(root), after.objects(root))
    return sorted(changes, key=lambda change: (change.kind, change.namespace, change.name))


def changed_roots(compared: Comparison) -> list[str]:
    """Folders that have to be built anew on both sides: those that a changed file is in, or all of them for one of base/."""
    changed: Iterator[str] = iter(compared.changed)
    if any(path.startswith("base/") for path in compared.changed):
        changed = (path for files in (compared.before, compared.after) for path in files)
    return sorted({root for path in changed if (root := folder_of(path))})


def text(told: list[Consequence], changes: list[ObjectChange]) -> str:
    """For a terminal: what happens, then every object with its fields."""
    if not told and not changes:
        return "nothing changes"
    lines = [c.text for c in told] + [""] * bool(told and changes)
    for change in changes:
        lines.append(f"{_SIGNS[change.action]} {change.title}")
        lines += [f"    {_arrow(field)}" for field in change.fields]
    return "\n".join(lines)


def markdown(told: list[Consequence], changes: list[ObjectChange]) -> str:
    """For a comment: the same, folded, and cut where a comment ends, with what was left out counted."""
    lines = ["## What merging this does", ""]
    lines += [f"- {c.text} (`{c.path}`)" for c in told] or ["- nothing that trains or serves changes"]
    total = sum(c.cost for c in told)
    if total:
        lines += ["", f"**{money(total)} {next(c.currency for c in told if c.currency)} expected.**"]
    lines += ["", f"<details><summary>{len(changes)} objects change</summary>", "", "```diff"]
    end = ["```", "", "</details>"]
    room = COMMENT_LIMIT - sum(map(len, lines + end)) - len(lines + end) - 100
    for number, change in enumerate(changes):
        block = [f"{_SIGNS[change.action].replace('~', '!')} {change.title}", *(f"!   {_arrow(field)}" for field in change.fields)]
        room -= sum(map(len, block)) + len(block)
        if room < 0:
            lines.append(f"# and {len(changes) - number} more; see them with `ml-pipeline diff`")
            break
        lines += block
    return "\n".join(lines + end)


def _arrow(field: FieldChange) -> str:
    if field.before is ABSENT:
        return f"{field.key}: {field.after}"
    return f"{field.key}: {field.before} -> {'gone' if field.after is ABSENT else field.after}"


def _as_data(change: ObjectChange) -> dict[str, Any]:
    fields = [{"key": f.key, **{n: v for n, v in (("before", f.before), ("after", f.after)) if v is not ABSENT}} for f in change.fields]
    return {"action": change.action, "kind": change.kind, "namespace": change.namespace, "name": change.name, "fields": fields}
