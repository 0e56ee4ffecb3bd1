"""A commented experiment.yaml that is valid from the start, made from one that is there."""

from dataclasses import dataclass, replace
from pathlib import Path

from ml_pipeline.adapters.files import write_changes
from ml_pipeline.adapters.git.working_tree import open_tree
from ml_pipeline.documents.changes import Changes, applied
from ml_pipeline.documents.edit import Setting
from ml_pipeline.documents.faults import InvalidDocumentsError, PipelineError
from ml_pipeline.documents.snapshot import Files, Snapshot
from ml_pipeline.documents.source import Source
from ml_pipeline.documents.writer import to_commented
from ml_pipeline.layout import BASE, experiment_path
from ml_pipeline.operations.drafts import read_experiment
from ml_pipeline.rules.review.faults import document_faults


@dataclass(frozen=True)
class NewExperiment:
    """Where the file of a new experiment is."""

    path: str


def new(repo: Path, name: str, *, like: str, settings: tuple[str, ...] = ()) -> NewExperiment:
    """Write `experiments/<name>/experiment.yaml`, like another one but for what is named here.

    That is its name, and what `settings` such as `seed=3` change.

    Raises:
        PipelineError: it exists already, or the other one does not.
        InvalidDocumentsError: it would break a rule; nothing is written.
    """
    tree = open_tree(repo)
    path = experiment_path(name)
    if path in tree:
        raise PipelineError(f"{path}:1: exists already; choose another name, or edit it")
    source = replace(_source(tree, like), path=path)
    data = {**source.data, "name": name}
    for setting in settings:
        data = Setting.parsed(setting).applied(data)
    experiment = read_experiment(replace(source, data=data))
    changes = Changes({path: to_commented(path, experiment)})
    faults = document_faults(Snapshot(applied(_without_base(tree), changes)), [path])
    if faults:
        raise InvalidDocumentsError(faults)
    write_changes(repo, changes)
    return NewExperiment(path)


def _without_base(tree: Files) -> dict[str, bytes]:
    """The files that documents are in; reading those of base/ would only take time."""
    return {path: tree[path] for path in tree if not path.startswith(f"{BASE}/")}


def _source(tree: Files, like: str) -> Source:
    snapshot = Snapshot(tree)
    source = snapshot.source(experiment_path(like))
    if source is None:
        known = ", ".join(snapshot.experiments) or "none"
        raise PipelineError(f"experiment {like!r} does not exist; known are {known}")
    return source
