"""What the rendered files must be, and how a tree differs from that."""

from dataclasses import dataclass

from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.closed_world import is_renderers
from ml_pipeline.rules.flux import flux_overlays
from ml_pipeline.rules.platform import platform_overlays
from ml_pipeline.rules.serving import serving_overlays
from ml_pipeline.rules.training import training_overlays


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
    wanted = rendered(snapshot)
    stale = {path for path in snapshot.files if path not in wanted and is_renderers(path)}
    return Changes(
        {p: raw for p, raw in wanted.items() if snapshot.files.get(p) != raw}, frozenset(stale)
    )


def applied(files: dict[str, bytes], changes: Changes) -> dict[str, bytes]:
    """The tree after the changes."""
    return {
        path: raw for path, raw in {**files, **changes.write}.items() if path not in changes.delete
    }
