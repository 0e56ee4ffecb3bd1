"""`ml-pipeline diff`: what merging the working tree would do, before it is merged."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ml_pipeline.adapters.files import read_tree, write_changes
from ml_pipeline.adapters.git import Repository
from ml_pipeline.adapters.kustomize import build_objects
from ml_pipeline.documents.faults import InvalidDocumentsError, PipelineError
from ml_pipeline.documents.snapshot import Files, Snapshot, load_snapshot
from ml_pipeline.rules.checks import checked
from ml_pipeline.rules.consequences import Consequence, consequences
from ml_pipeline.rules.diff import ABSENT, FieldChange, ObjectChange, object_changes
from ml_pipeline.rules.render import Changes
from ml_pipeline.verbs import console

AT_ONCE = 2
COMMENT_LIMIT = 65_536  # characters that GitHub takes in one comment
_SIGNS = {"create": "+", "change": "~", "delete": "-"}
_PARTS = ("training", "serving", "platform", "flux")


def diff(repo: Path, base: str = "origin/main", *, output: str = "text") -> int:
    """Consequences and objects of going from a base revision to the working tree; 1 if there are any."""
    repository = Repository(repo)
    before, after = repository.read(repository.revision(base)), read_tree(repo)
    told = consequences(_snapshot_of(base, before), checked(after))
    roots = sorted(changed_roots(before, after))
    changes = object_changes(built(before, roots), built(after, roots))
    data = {"consequences": [asdict(c) for c in told], "objects": [_as_data(change) for change in changes]}
    console.answer(data, markdown(told, changes) if output == "markdown" else text(told, changes), output)
    return console.FINDINGS if told or changes else console.OK


def _snapshot_of(base: str, files: Files) -> Snapshot:
    """The documents of the base; they may be older than what this version reads."""
    try:
        return load_snapshot(files)
    except InvalidDocumentsError as error:
        raise PipelineError(f"{base} cannot be compared with, it holds: {error.faults[0]}; or name another --base") from error


def changed_roots(before: Files, after: Files) -> set[str]:
    """Folders that have to be built anew on both sides: those that a changed file is in, or all of them for one of base/."""
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    everything = {root for path in before.keys() | after.keys() if (root := _root(path))}
    if any(path.startswith("base/") for path in changed):
        return everything
    return {root for path in changed for root in (_root(path), _serving_of(path)) if root in everything}


def built(files: Files, roots: list[str]) -> list[dict[str, Any]]:
    """The objects of those folders that there are on this side.

    Raises:
        ProgramError: one does not build.
    """
    there = [root for root in roots if f"{root}/kustomization.yaml" in files]
    if not there:
        return []
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(AT_ONCE) as pool:
        write_changes(Path(folder), Changes({p: raw for p, raw in files.items() if not p.startswith("experiments/")}))
        return [thing for found in pool.map(lambda root: build_objects(Path(folder, root)), there) for thing in found]


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
        lines += ["", f"**At most {total:.2f} {next(c.currency for c in told if c.currency)}.**"]
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


def _root(path: str) -> str | None:
    """The folder that Flux builds of which a file is a part."""
    parts = path.split("/")
    if len(parts) > 3 and parts[0] == "environments" and parts[2] in _PARTS:
        return "/".join(parts[:3] if parts[2] in ("platform", "flux") else parts[:4])
    return None


def _serving_of(path: str) -> str | None:
    """The served model whose weights a file of automation holds."""
    parts = path.split("/")
    return "/".join([*parts[:2], "serving", parts[3]]) if len(parts) == 5 and parts[2] == "rollouts" else None


def _arrow(field: FieldChange) -> str:
    if field.before is ABSENT:
        return f"{field.key}: {field.after}"
    return f"{field.key}: {field.before} -> {'gone' if field.after is ABSENT else field.after}"


def _as_data(change: ObjectChange) -> dict[str, Any]:
    fields = [{"key": f.key, **{n: v for n, v in (("before", f.before), ("after", f.after)) if v is not ABSENT}} for f in change.fields]
    return {"action": change.action, "kind": change.kind, "namespace": change.namespace, "name": change.name, "fields": fields}
