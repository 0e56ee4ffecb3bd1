"""What the rendered files must be, and how a tree differs from that."""

from collections.abc import Iterable

from ml_pipeline.documents.changes import Changes, differing
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.layout import SHORT, experiments_of, folder_of, is_renderers, job_folder
from ml_pipeline.rules.money.waiting import Waiting
from ml_pipeline.rules.render.flux import flux_overlays
from ml_pipeline.rules.render.platform import platform_overlays
from ml_pipeline.rules.render.reach import Reach
from ml_pipeline.rules.render.serving import serving_overlays
from ml_pipeline.rules.render.training import training_overlays


def rendered(snapshot: Snapshot) -> dict[str, bytes]:
    """Every file that follows from the documents."""
    return (
        training_overlays(snapshot)
        | serving_overlays(snapshot)
        | platform_overlays(snapshot)
        | flux_overlays(snapshot)
    )


def drift(snapshot: Snapshot) -> Changes:
    """What has to change so that the tree holds just what follows from its documents.

    What the renderer never writes stays.
    """
    return _between(snapshot, rendered(snapshot), filter(is_renderers, snapshot.files))


def drift_within(snapshot: Snapshot, reach: Reach, waiting: Waiting, before: Waiting) -> Changes:
    """The same, of what a change can have made stale.

    `waiting` is what the snapshot's experiments wait for, `before` what those of the base do.
    """
    if reach.everything:
        return drift(snapshot)
    # What a changed experiment asked for before counts too: its overlay may have to go.
    shorts = set(reach.jobs)
    for name in experiments_of(reach.changed):
        for side in (waiting, before):
            identity = side.identities.get(name)
            if identity:
                shorts.add(identity[:SHORT])
    wanted = training_overlays(snapshot, waiting.claimants(shorts))
    wanted |= platform_overlays(snapshot) | flux_overlays(snapshot)
    if reach.serving:
        wanted |= serving_overlays(snapshot)

    def within(path: str) -> bool:
        folder = job_folder(folder_of(path))
        if folder:
            return folder.short in shorts
        return reach.serving or path in reach.changed

    return _between(snapshot, wanted, filter(within, filter(is_renderers, snapshot.files)))


def _between(snapshot: Snapshot, wanted: dict[str, bytes], there: Iterable[str]) -> Changes:
    """From the files that are there to those that are wanted."""
    stale = {path for path in there if path not in wanted}
    return Changes(differing(snapshot.files, wanted), frozenset(stale))
