"""`ml-pipeline diff`: what merging the working tree would do, before it is merged."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

from ml_pipeline.adapters.kustomize import Overlays
from ml_pipeline.adapters.revisions import Comparison, Revisions
from ml_pipeline.documents.faults import InvalidDocumentsError, PipelineError
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.comment import comment, shown
from ml_pipeline.rules.consequences import Consequence, consequences, stale
from ml_pipeline.rules.diff import ABSENT, ObjectChange, object_changes, without_hash
from ml_pipeline.rules.overlays import folder_of
from ml_pipeline.verbs import console

_SIGNS = {
    "create": ("+", "green"),
    "change": ("~", "yellow"),
    "replace": ("~", "yellow"),
    "delete": ("-", "red"),
}


def diff(repo: Path, base: str = "origin/main", *, output: str = "text") -> int:
    """Consequences and objects of merging the working tree into a base; 1 if there are any."""
    revisions = Revisions(repo)
    compared = revisions.comparison(revisions.fork_point(base))
    after = Snapshot(compared.after)
    told = told_of(base, Snapshot(compared.before), after, compared.changed)
    for name in stale(after, compared.changed):
        console.talk(
            f"{name} is not rendered as it is now; run `ml-pipeline render`, this compares what is rendered"
        )
    changes = changed_objects(compared)
    console.answer(
        as_data(told, changes),
        comment(told, changes) if output == "markdown" else text(told, changes),
        output,
    )
    return console.FINDINGS if told or changes else console.OK


def told_of(
    base: str, before: Snapshot, after: Snapshot, changed: Iterable[str]
) -> list[Consequence]:
    """The consequences; documents of the base may be older than what this version reads."""
    try:
        return consequences(before, after, changed)
    except InvalidDocumentsError as error:
        fault = error.faults[0]
        if _is_broken(before, fault.path):
            raise PipelineError(
                f"{base} cannot be compared with, it holds: {fault}; or name another --base"
            ) from error
        raise


def _is_broken(snapshot: Snapshot, path: str) -> bool:
    try:
        return path in snapshot.files and snapshot.document(path) is None
    except InvalidDocumentsError:
        return True


def changed_objects(compared: Comparison) -> list[ObjectChange]:
    """What becomes of each object; folders of Jobs of one experiment, or of data, are looked at together."""
    changes: list[ObjectChange] = []
    with Overlays(compared.before) as before, Overlays(compared.after) as after:
        for _, together in groupby(sorted(changed_roots(compared), key=_stem), key=_stem):
            roots = list(together)
            old, new = (
                [thing for root in roots for thing in side.objects(root)]
                for side in (before, after)
            )
            changes += object_changes(old, new)
    return sorted(changes, key=lambda change: (change.kind, change.namespace, change.name))


def _stem(root: str) -> str:
    """A folder without the id of the run and the hash of the Job that it ends with."""
    return without_hash(without_hash(root))


def changed_roots(compared: Comparison) -> list[str]:
    """Folders that have to be built anew on both sides: those that a changed file is in, or all of them for one of base/."""
    changed: Iterator[str] = iter(compared.changed)
    if any(path.startswith("base/") for path in compared.changed):
        changed = (path for files in (compared.before, compared.after) for path in files)
    return sorted({root for path in changed if (root := folder_of(path))})


def text(told: Sequence[Consequence], changes: Sequence[ObjectChange]) -> str:
    """For a terminal: what happens, then every object with its fields; coloured and cut to its width where it is one."""
    if not told and not changes:
        return "nothing changes"
    lines = [c.text for c in told] + [""] * bool(told and changes)
    for change in changes:
        sign, colour = _SIGNS[change.action]
        lines.append(console.painted(f"{sign} {change.title}", colour))
        lines += [console.fitted(f"    {line}") for line in shown(change)]
    return "\n".join(lines)


def as_data(told: Sequence[Consequence], changes: Sequence[ObjectChange]) -> dict[str, Any]:
    """The same, for --output json."""
    return {
        "consequences": [asdict(c) for c in told],
        "objects": [_object(change) for change in changes],
    }


def _object(change: ObjectChange) -> dict[str, Any]:
    fields = [
        {
            "key": f.key,
            **{n: v for n, v in (("before", f.before), ("after", f.after)) if v is not ABSENT},
        }
        for f in change.fields
    ]
    head = {
        "action": change.action,
        "kind": change.kind,
        "namespace": change.namespace,
        "name": change.name,
    }
    more = (
        {"was": change.was} if change.was else {"content": change.content} if change.content else {}
    )
    return {**head, **more, "fields": fields}
