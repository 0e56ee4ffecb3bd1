"""`ml-pipeline diff`: what merging the working tree would do, before it is merged."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from ml_pipeline.adapters.git.revisions import Comparison, Revisions
from ml_pipeline.adapters.kustomize import Overlays
from ml_pipeline.commands import console
from ml_pipeline.documents.escape import line
from ml_pipeline.documents.faults import InvalidDocumentsError, PipelineError
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.layout import own_place
from ml_pipeline.rules.kustomize.kustomizations import changed_units
from ml_pipeline.rules.review.closed_world import stray_fault, strays
from ml_pipeline.rules.review.comment import comment, shown
from ml_pipeline.rules.review.consequence import Consequence, in_order
from ml_pipeline.rules.review.consequences import consequences
from ml_pipeline.rules.review.diff import ABSENT, ObjectChange, object_changes, without_hash
from ml_pipeline.rules.review.jobs import stale_experiments
from ml_pipeline.rules.review.own_places import own_place_consequences, own_places
from ml_pipeline.rules.review.plain_files import plain_faults

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
    faults = list(plain_faults(compared.after, compared.changed & set(compared.after)))
    if faults:
        raise InvalidDocumentsError(faults)
    after = Snapshot(compared.after)
    told = told_of(base, Snapshot(compared.before), after, compared.changed)
    for name in stale_experiments(after, compared.changed):
        console.talk(
            f"{name} is not rendered as it is now; run `ml-pipeline render`, this compares what is rendered"
        )
    for path in strays(compared.changed & set(compared.after)):
        console.talk(f"{stray_fault(path)}")
    with builds_of(compared) as builds:
        told = in_order([*told, *own_consequences(compared, builds)])
        changes = changed_objects(compared, builds)
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


@dataclass(frozen=True)
class Builds:
    """What the folders of both sides stand for."""

    before: Overlays
    after: Overlays


@contextmanager
def builds_of(compared: Comparison) -> Iterator[Builds]:
    """Both sides, each folder built once however many look at it."""
    with Overlays(compared.before) as before, Overlays(compared.after) as after:
        yield Builds(before, after)


def changed_objects(compared: Comparison, builds: Builds) -> list[ObjectChange]:
    """What becomes of each object; what is built for Jobs of one experiment, or of data, is looked at together."""
    changes: list[ObjectChange] = []
    old_units, new_units = changed_units(compared.before, compared.after, compared.changed)
    for _, together in groupby(sorted(old_units | new_units, key=_stem), key=_stem):
        units = list(together)
        old = [o for unit in units if unit in old_units for o in builds.before.objects(unit)]
        new = [o for unit in units if unit in new_units for o in builds.after.objects(unit)]
        changes += object_changes(old, new)
    return sorted(changes, key=lambda change: (change.kind, change.namespace, change.name))


def _stem(unit: str) -> str:
    """What is built without the id of the run and the hash of the Job that its name ends with."""
    return without_hash(without_hash(unit))


def own_consequences(compared: Comparison, builds: Builds) -> list[Consequence]:
    """What a merge does with the objects that people keep in places of their own, by kind and rights."""
    if not any(map(own_place, compared.changed)):
        return []
    before = {place: builds.before.objects(place) for place in own_places(compared.before)}
    after = {place: builds.after.objects(place) for place in own_places(compared.after)}
    return [
        consequence
        for place in sorted({*before, *after})
        for consequence in own_place_consequences(
            place, before.get(place, []), after.get(place, [])
        )
    ]


def text(told: Sequence[Consequence], changes: Sequence[ObjectChange]) -> str:
    """For a terminal: what happens, then every object with its fields; coloured and cut to its width where it is one."""
    if not told and not changes:
        return "nothing changes"
    lines = [line(c.text) for c in told]
    if told and changes:
        lines.append("")
    for change in changes:
        sign, colour = _SIGNS[change.action]
        lines.append(console.painted(line(f"{sign} {change.title}"), colour))
        lines += [console.fitted(f"    {line(field)}") for field in shown(change)]
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
