"""`ml-pipeline validate`: every fault of every document, one line each."""

from collections.abc import Sequence
from pathlib import Path

from ml_pipeline.adapters.git.revisions import open_tree
from ml_pipeline.commands import console
from ml_pipeline.documents.faults import InvalidDocumentsError, PipelineError
from ml_pipeline.documents.snapshot import Files, Snapshot
from ml_pipeline.rules.review.closed_world import place_faults, stray_fault, strays
from ml_pipeline.rules.review.faults import checked_snapshot, document_faults
from ml_pipeline.rules.review.plain_files import plain_faults


def validate(repo: Path, files: Sequence[Path] = (), *, output: str = "text") -> int:
    """Check the working tree, or only some files of it: those and what they refer to are read then."""
    tree = open_tree(repo)
    if files:
        return _validate_some(tree, [_inside(repo, file) for file in files], output)
    snapshot = checked_snapshot(tree)
    faults = list(place_faults(tree))
    if faults:
        raise InvalidDocumentsError(faults)
    counts = {
        "experiments": len(snapshot.experiments),
        "runs": len(snapshot.runs),
        "data": len(snapshot.data),
        "promotions": len(snapshot.promotions),
        "environments": len(snapshot.environments),
    }
    console.answer(
        counts, "valid: " + ", ".join(f"{n} {kind}" for kind, n in counts.items()), output
    )
    return console.OK


def _validate_some(tree: Files, paths: list[str], output: str) -> int:
    snapshot = Snapshot(tree)
    faults = list(plain_faults(tree, [path for path in paths if path in tree]))
    for path in paths:
        if path not in tree:
            raise PipelineError(
                f"{path}: is no file below experiments/, environments/ or base/; correct the path"
            )
        if path in strays([path]):
            faults.append(stray_fault(path))
        try:
            faults += document_faults(snapshot, [path])
        except InvalidDocumentsError as error:
            faults += error.faults
    if faults:
        raise InvalidDocumentsError(faults)
    console.answer({"files": paths}, "valid: " + ", ".join(paths), output)
    return console.OK


def _inside(repo: Path, file: Path) -> str:
    """The path of a file in the repository."""
    try:
        return (file.parent.resolve() / file.name).relative_to(repo.resolve()).as_posix()
    except ValueError as error:
        raise PipelineError(f"{file}: is not in {repo}; correct the path") from error
