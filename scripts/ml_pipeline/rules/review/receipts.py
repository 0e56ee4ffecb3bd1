"""What holds of every receipt and verdict: it is named by what it is about, and never edited."""

from collections.abc import Iterator

from ml_pipeline.documents.data_snapshot import DataSnapshot
from ml_pipeline.documents.faults import Fault
from ml_pipeline.documents.receipts import DataVersion, Run, Verdict
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.layout import SHORT, owner_of, stem_of
from ml_pipeline.rules.identity.hashes import run_identity


def run_faults(snapshot: Snapshot, path: str, run: Run) -> Iterator[Fault]:
    """Every fault of the receipt of a run."""
    yield from _identity_faults(snapshot, path, run)
    if run_identity(run.decided_by) != run.identity:
        text = (
            f"'{run.identity[:SHORT]}...' is not the hash of decided_by; "
            "a receipt is never edited, restore it from git"
        )
        yield snapshot.fault(path, "identity", text)


def data_faults(snapshot: Snapshot, path: str, data: DataVersion) -> Iterator[Fault]:
    """Every fault of the receipt of prepared data."""
    yield from _identity_faults(snapshot, path, data)


def data_snapshot_faults(snapshot: Snapshot, path: str, data: DataSnapshot) -> Iterator[Fault]:
    """Every fault of the state of a source."""
    rule = "a state of a source is never edited, restore it from git"
    if data.interval != stem_of(path):
        yield snapshot.fault(
            path, "interval", f"{data.interval!r} differs from the file's name; {rule}"
        )
    if data.experiment != owner_of(path):
        text = f"{data.experiment!r} differs from the folder {owner_of(path)!r}; {rule}"
        yield snapshot.fault(path, "experiment", text)


def verdict_faults(snapshot: Snapshot, path: str, verdict: Verdict) -> Iterator[Fault]:
    """Every fault of a verdict."""
    if verdict.id != stem_of(path):
        text = (
            f"{verdict.id!r} differs from the file's name; "
            "a verdict is never edited, restore it from git"
        )
        yield snapshot.fault(path, "id", text)


def _identity_faults(snapshot: Snapshot, path: str, receipt: Run | DataVersion) -> Iterator[Fault]:
    # Whether something is settled is asked by file names alone, so they have to be right.
    if not receipt.id == stem_of(path) == receipt.identity[:SHORT]:
        text = (
            f"{receipt.id!r} must be the file's name and begin the identity; "
            "a receipt is never edited, restore it from git"
        )
        yield snapshot.fault(path, "id", text)
