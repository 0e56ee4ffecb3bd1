"""`ml-pipeline new`: a commented experiment.yaml that is valid from the start, made from one that is there."""

from dataclasses import replace
from pathlib import Path

from ml_pipeline.adapters.files import write_changes
from ml_pipeline.adapters.git.revisions import open_tree
from ml_pipeline.commands import console
from ml_pipeline.documents.changes import Changes, applied
from ml_pipeline.documents.edit import Setting
from ml_pipeline.documents.faults import InvalidDocumentsError, PipelineError
from ml_pipeline.documents.snapshot import Files, Snapshot
from ml_pipeline.documents.source import Source
from ml_pipeline.documents.writer import to_commented
from ml_pipeline.operations.submit import read_experiment
from ml_pipeline.rules.review.faults import document_faults


def new(repo: Path, name: str, *, like: str, settings: tuple[str, ...] = ()) -> int:
    """Write `experiments/<name>/experiment.yaml`, like another one but for its name and what `settings` such as `seed=3` change.

    Raises:
        PipelineError: it exists already, or the other one does not.
        InvalidDocumentsError: it would break a rule; nothing is written.
    """
    tree = open_tree(repo)
    path = f"experiments/{name}/experiment.yaml"
    if path in tree:
        raise PipelineError(f"{path}:1: exists already; choose another name, or edit it")
    source = replace(_source(tree, like), path=path)
    data = {**source.data, "name": name}
    for setting in settings:
        data = Setting.parsed(setting).applied(data)
    experiment = read_experiment(replace(source, data=data))
    changes = Changes({path: to_commented(path, experiment)})
    faults = document_faults(
        Snapshot(applied({p: tree[p] for p in tree if not p.startswith("base/")}, changes)), [path]
    )
    if faults:
        raise InvalidDocumentsError(faults)
    write_changes(repo, changes)
    console.result(f"wrote {path}; edit it, then `ml-pipeline render` and `ml-pipeline diff`")
    return console.OK


def _source(tree: Files, like: str) -> Source:
    source = Snapshot(tree).source(f"experiments/{like}/experiment.yaml")
    if source is None:
        known = ", ".join(Snapshot(tree).experiments) or "none"
        raise PipelineError(f"experiment {like!r} does not exist; known are {known}")
    return source
