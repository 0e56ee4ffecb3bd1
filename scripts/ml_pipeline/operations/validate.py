"""Every fault of every document, or of some files and what they refer to."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ml_pipeline.adapters.git.working_tree import open_tree
from ml_pipeline.documents.faults import InvalidDocumentsError, PipelineError
from ml_pipeline.documents.snapshot import Files, Snapshot
from ml_pipeline.rules.review.closed_world import place_faults, stray_fault, strays
from ml_pipeline.rules.review.faults import checked_snapshot, document_faults
from ml_pipeline.rules.review.plain_files import plain_faults


@dataclass(frozen=True)
class Counts:
    """How many documents of each kind a valid tree holds."""

    experiments: int
    runs: int
    data: int
    promotions: int
    environments: int


def validate(repo: Path) -> Counts:
    """Check the working tree.

    Raises:
        InvalidDocumentsError: with every fault.
    """
    tree = open_tree(repo)
    snapshot = checked_snapshot(tree)
    faults = list(place_faults(tree))
    if faults:
        raise InvalidDocumentsError(faults)
    return Counts(
        experiments=len(snapshot.experiments),
        runs=len(snapshot.runs),
        data=len(snapshot.data),
        promotions=len(snapshot.promotions),
        environments=len(snapshot.environments),
    )


def validate_files(repo: Path, files: Iterable[Path]) -> list[str]:
    """Check some files of the working tree, which are read with what they refer to; their paths.

    Raises:
        InvalidDocumentsError: with every fault of these.
        PipelineError: one is not in the tree.
    """
    tree = open_tree(repo)
    paths = [_inside(repo, file) for file in files]
    there = [path for path in paths if path in tree]
    snapshot = Snapshot(tree)
    faults = list(plain_faults(tree, there))
    for path in paths:
        _refuse_missing(tree, path)
        faults += map(stray_fault, strays([path]))
        # One file that cannot be read keeps none of the others from being looked at.
        try:
            faults += document_faults(snapshot, [path])
        except InvalidDocumentsError as error:
            faults += error.faults
    if faults:
        raise InvalidDocumentsError(faults)
    return paths


def _inside(repo: Path, file: Path) -> str:
    """The path of a file in the repository."""
    # Only the folder is resolved: a link at the file itself is a fault, not what it leads to.
    place = file.parent.resolve() / file.name
    try:
        return place.relative_to(repo.resolve()).as_posix()
    except ValueError as error:
        raise PipelineError(f"{file}: is not in {repo}; correct the path") from error


def _refuse_missing(tree: Files, path: str) -> None:
    if path not in tree:
        raise PipelineError(
            f"{path}: is no file below experiments/, environments/ or base/; correct the path"
        )
