"""What merging the working tree would do, before it is merged."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from ml_pipeline.adapters.git.comparison import Comparison, with_working_tree
from ml_pipeline.adapters.git.revisions import Revisions
from ml_pipeline.adapters.kustomize import Overlays
from ml_pipeline.documents.faults import InvalidDocumentsError, PipelineError
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.layout import own_place
from ml_pipeline.operations import Talk, silent
from ml_pipeline.operations.bases import base_of
from ml_pipeline.rules.kustomize.kustomizations import changed_units
from ml_pipeline.rules.kustomize.objects import Object
from ml_pipeline.rules.review.closed_world import stray_fault, strays
from ml_pipeline.rules.review.consequence import Consequence, in_order
from ml_pipeline.rules.review.consequences import consequences, object_consequences
from ml_pipeline.rules.review.diff import ObjectChange, object_changes, without_hash
from ml_pipeline.rules.review.jobs import stale_experiments
from ml_pipeline.rules.review.own_places import own_place_consequences, own_places, unlisted
from ml_pipeline.rules.review.plain_files import plain_faults


@dataclass(frozen=True)
class Difference:
    """What a merge does, the largest first, and every object that it changes."""

    consequences: tuple[Consequence, ...] = ()
    objects: tuple[ObjectChange, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything changes."""
        return bool(self.consequences or self.objects)


@dataclass(frozen=True)
class Builds:
    """What the folders of both sides stand for."""

    before: Overlays
    after: Overlays


def diff(repo: Path, base: str = "", *, talk: Talk = silent) -> Difference:
    """Consequences and objects of merging the working tree into a base.

    Without one, that is the branch that `base_of` finds.

    Raises:
        PipelineError: the base is not there, or cannot be compared with.
        InvalidDocumentsError: a document that changes is not valid, or a folder does not build.
    """
    revisions = Revisions(repo)
    base = base or base_of(revisions, talk)
    compared = with_working_tree(revisions, revisions.fork_point(base))
    touched = compared.changed & set(compared.after)
    faults = list(plain_faults(compared.after, touched))
    if faults:
        raise InvalidDocumentsError(faults)
    after = Snapshot(compared.after)
    merged = consequences_of(base, Snapshot(compared.before), after, compared.changed)
    # Said before anything is built: where a build fails, this may be why.
    _tell_what_is_not_rendered(after, compared.changed, touched, talk)
    with builds_of(compared) as builds:
        kept = own_consequences(compared, builds)
        objects = changed_objects(compared, builds)
    refused = object_consequences(objects, compared.changed)
    return Difference(tuple(in_order([*merged, *kept, *refused])), tuple(objects))


def consequences_of(
    base: str, before: Snapshot, after: Snapshot, changed: Iterable[str]
) -> list[Consequence]:
    """The consequences; documents of the base may be older than what this version reads.

    Raises:
        PipelineError: the base holds a document that is not valid, and that matters here.
        InvalidDocumentsError: the other side does.
    """
    try:
        return consequences(before, after, changed)
    except InvalidDocumentsError as error:
        fault = error.faults[0]
        if not _is_broken(before, fault.path):
            raise
        raise PipelineError(
            f"{base} cannot be compared with, it holds: {fault}; or name another --base"
        ) from error


@contextmanager
def builds_of(compared: Comparison) -> Iterator[Builds]:
    """Both sides, each folder built once however many look at it."""
    with Overlays(compared.before) as before, Overlays(compared.after) as after:
        yield Builds(before, after)


def changed_objects(compared: Comparison, builds: Builds) -> list[ObjectChange]:
    """What becomes of each object."""
    old_units, new_units = changed_units(compared.before, compared.after, compared.changed)
    changes: list[ObjectChange] = []
    # A Job whose template changes comes in another folder: only beside the folder that goes, of
    # the same experiment or data, is it seen as one Job that is replaced.
    for _, group in groupby(sorted(old_units | new_units, key=_stem), key=_stem):
        units = list(group)
        old = _objects(builds.before, old_units, units)
        new = _objects(builds.after, new_units, units)
        changes += object_changes(old, new)
    return sorted(changes, key=lambda change: (change.kind, change.namespace, change.name))


def own_consequences(compared: Comparison, builds: Builds) -> list[Consequence]:
    """What a merge does with the objects that people keep in places of their own."""
    if not any(map(own_place, compared.changed)):
        return []
    before = {place: builds.before.objects(place) for place in own_places(compared.before)}
    after = {place: builds.after.objects(place) for place in own_places(compared.after)}
    kept = list(unlisted(compared.after, compared.changed))
    for place in sorted({*before, *after}):
        kept += own_place_consequences(place, before.get(place, []), after.get(place, []))
    return kept


def _tell_what_is_not_rendered(
    after: Snapshot, changed: Iterable[str], touched: Iterable[str], talk: Talk
) -> None:
    for name in stale_experiments(after, changed):
        talk(
            f"{name} is not rendered as it is now; "
            "run `ml-pipeline render`, this compares what is rendered"
        )
    for path in strays(touched):
        talk(str(stray_fault(path)))


def _is_broken(snapshot: Snapshot, path: str) -> bool:
    """Whether a document is there and is not valid."""
    if path not in snapshot.files:
        return False
    try:
        snapshot.document(path)
    except InvalidDocumentsError:
        return True
    return False


def _objects(overlays: Overlays, there: set[str], units: Iterable[str]) -> list[Object]:
    """The objects of those units that are there on one side."""
    built: list[Object] = []
    for unit in units:
        if unit in there:
            built += overlays.objects(unit)
    return built


def _stem(unit: str) -> str:
    """What is built without the id of the run and the hash of the Job that its name ends with."""
    return without_hash(without_hash(unit))
