"""What the rendered files must be, and how a tree differs from that."""

from collections.abc import Iterable
from dataclasses import dataclass

from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.identity.hashes import SHORT
from ml_pipeline.rules.money.waiting import Waiting
from ml_pipeline.rules.render.flux import flux_overlays
from ml_pipeline.rules.render.overlays import job_folder
from ml_pipeline.rules.render.platform import platform_overlays
from ml_pipeline.rules.render.reach import Reach
from ml_pipeline.rules.render.serving import serving_overlays
from ml_pipeline.rules.render.training import training_overlays
from ml_pipeline.rules.review.closed_world import is_renderers
from ml_pipeline.rules.review.consequences import names_of


@dataclass(frozen=True)
class Changes:
    """Files to write, by path, and files to delete: computed whole before anything is touched."""

    write: dict[str, bytes]
    delete: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        """Whether anything changes."""
        return bool(self.write or self.delete)

    def __or__(self, other: "Changes") -> "Changes":
        """Both, one after the other."""
        kept = self.delete - other.write.keys()
        return Changes(
            {p: raw for p, raw in (self.write | other.write).items() if p not in other.delete},
            kept | other.delete,
        )


def rendered(snapshot: Snapshot) -> dict[str, bytes]:
    """Every file that follows from the documents."""
    return (
        training_overlays(snapshot)
        | serving_overlays(snapshot)
        | platform_overlays(snapshot)
        | flux_overlays(snapshot)
    )


def drift(snapshot: Snapshot) -> Changes:
    """What has to change so that the tree holds just what follows from its documents; what the renderer never writes stays."""
    return _between(snapshot, rendered(snapshot), filter(is_renderers, snapshot.files))


def drift_within(snapshot: Snapshot, reach: Reach, waiting: Waiting, before: Waiting) -> Changes:
    """The same, of what a change can have made stale. `waiting` is what the snapshot's experiments wait for, `before` what those
    of the base do."""
    if reach.everything:
        return drift(snapshot)
    names = names_of(reach.changed)
    asked = {side.identities.get(name, "") for side in (waiting, before) for name in names}
    shorts = reach.jobs | {identity[:SHORT] for identity in asked if identity}
    wanted = training_overlays(snapshot, waiting.claimants(shorts))
    wanted |= platform_overlays(snapshot) | flux_overlays(snapshot)
    if reach.serving:
        wanted |= serving_overlays(snapshot)

    def within(path: str) -> bool:
        folder = job_folder(path.rpartition("/")[0])
        return folder.short in shorts if folder else reach.serving or path in reach.changed

    return _between(snapshot, wanted, filter(within, filter(is_renderers, snapshot.files)))


def _between(snapshot: Snapshot, wanted: dict[str, bytes], there: Iterable[str]) -> Changes:
    """From the files that are there to those that are wanted."""
    stale = {path for path in there if path not in wanted}
    return Changes(
        {p: raw for p, raw in wanted.items() if snapshot.files.get(p) != raw}, frozenset(stale)
    )


def applied(files: dict[str, bytes], changes: Changes) -> dict[str, bytes]:
    """The tree after the changes."""
    return {
        path: raw for path, raw in {**files, **changes.write}.items() if path not in changes.delete
    }
