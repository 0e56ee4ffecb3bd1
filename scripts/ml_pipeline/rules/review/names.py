"""What a document is called against where it lies, and which names there are."""

from collections.abc import Iterable, Iterator

from ml_pipeline.documents.faults import Fault
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.layout import owner_of


def name_faults(snapshot: Snapshot, path: str, name: str) -> Iterator[Fault]:
    """An experiment or environment that is called otherwise than its folder."""
    folder = owner_of(path)
    if name != folder:
        text = f"{name!r} differs from its folder {folder!r}; make them the same"
        yield snapshot.fault(path, "name", text)


def known_environments(names: Iterable[str]) -> str:
    """The repair of an environment's name: those that are there."""
    known = ", ".join(sorted(names))
    if not known:
        return "there are none yet, add environments/<env>/environment.yaml"
    return f"known are {known}"
