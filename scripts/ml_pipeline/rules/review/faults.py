"""Every fault of the documents of a revision: of each by itself, and between them."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from ml_pipeline.documents.data_snapshot import DataSnapshot
from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.faults import Fault, InvalidDocumentsError
from ml_pipeline.documents.promotion import Promotion
from ml_pipeline.documents.reader import Document
from ml_pipeline.documents.receipts import DataVersion, Run, Verdict
from ml_pipeline.documents.snapshot import Files, Snapshot
from ml_pipeline.layout import is_listed
from ml_pipeline.rules.review.environments import environment_faults
from ml_pipeline.rules.review.experiments import experiment_faults
from ml_pipeline.rules.review.plain_files import plain_faults, special_faults
from ml_pipeline.rules.review.promotions import promotion_faults
from ml_pipeline.rules.review.receipts import (
    data_faults,
    data_snapshot_faults,
    run_faults,
    verdict_faults,
)
from ml_pipeline.rules.review.two_pens import rollout_faults

# The rules of each kind take a snapshot, the path of a document and the document.
_RULES: Mapping[type[Document], Callable[[Snapshot, str, Any], Iterator[Fault]]] = {
    Experiment: experiment_faults,
    Environment: environment_faults,
    Promotion: promotion_faults,
    Run: run_faults,
    DataSnapshot: data_snapshot_faults,
    DataVersion: data_faults,
    Verdict: verdict_faults,
}


def checked_snapshot(files: Files) -> Snapshot:
    """The snapshot of a tree in which every rule holds.

    Raises:
        InvalidDocumentsError: with every fault.
    """
    snapshot = Snapshot(files)
    refuse_faults(snapshot)
    return snapshot


def refuse_faults(snapshot: Snapshot, paths: Collection[str] | None = None) -> None:
    """Read every file of a snapshot, or those at some paths, and hold them against every rule.

    Raises:
        InvalidDocumentsError: with every fault.
    """
    files = snapshot.files if paths is None else {path: snapshot.files[path] for path in paths}
    # What is no plain file has nothing inside that could be judged.
    faults = list(special_faults(files))
    if faults:
        raise InvalidDocumentsError(faults)
    faults = list(plain_faults(files))
    # Rules between documents need all that they refer to, so a document that cannot be read ends
    # it here; faults of text are told with those of reading.
    try:
        snapshot.read_all(paths)
    except InvalidDocumentsError as error:
        raise InvalidDocumentsError([*faults, *error.faults]) from error
    faults += document_faults(snapshot, paths)
    if faults:
        raise InvalidDocumentsError(faults)


def document_faults(snapshot: Snapshot, paths: Iterable[str] | None = None) -> list[Fault]:
    """Every fault between the documents, or of those at some paths, sorted by place.

    Raises:
        InvalidDocumentsError: one that is read is not valid by itself.
    """
    judged = sorted(snapshot.files if paths is None else paths)
    faults = list(rollout_faults(snapshot.files, judged))
    for path in filter(is_listed, judged):
        document = snapshot.document(path)
        # A newer format may come as a subclass of a kind, so the table is not asked for the class.
        rule = next(rule for kind, rule in _RULES.items() if isinstance(document, kind))
        faults += rule(snapshot, path, document)
    return sorted(faults)
