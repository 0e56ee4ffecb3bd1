"""All documents of one revision, read once; rules work on this and on nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.faults import Fault, InvalidDocumentsError
from ml_pipeline.documents.promotion import Promotion
from ml_pipeline.documents.reader import Document, kind_of, read
from ml_pipeline.documents.receipts import DataVersion, Run, Verdict
from ml_pipeline.documents.source import Source

Files = Mapping[str, bytes]
ROOTS = ("experiments", "environments", "base")


@dataclass(frozen=True)
class Snapshot:
    """The documents of one revision by path, their sources, and the files they were read from."""

    files: Files
    documents: dict[str, Document]
    sources: dict[str, Source] = field(repr=False)

    @cached_property
    def experiments(self) -> dict[str, Experiment]:
        """Experiments by folder name, in the order of names."""
        found = {p.split("/")[1]: d for p, d in self.documents.items() if isinstance(d, Experiment)}
        return dict(sorted(found.items()))

    @cached_property
    def environments(self) -> dict[str, Environment]:
        """Environments by folder name."""
        return {p.split("/")[1]: d for p, d in self.documents.items() if isinstance(d, Environment)}

    @cached_property
    def promotions(self) -> dict[tuple[str, str], Promotion]:
        """Promotions by environment and model."""
        found = {(p.split("/")[1], d.model): d for p, d in self.documents.items() if isinstance(d, Promotion)}
        return dict(sorted(found.items()))

    @cached_property
    def data(self) -> dict[str, DataVersion]:
        """Receipts of prepared data by identity."""
        return {d.identity: d for d in self.documents.values() if isinstance(d, DataVersion)}

    @cached_property
    def runs(self) -> dict[str, Run]:
        """Receipts of runs by identity."""
        return {d.identity: d for d in self.documents.values() if isinstance(d, Run)}

    @cached_property
    def runs_by_reference(self) -> dict[str, Run]:
        """Receipts of runs by `experiment/id`, as promotions name them."""
        return {f"{p.split('/')[1]}/{d.id}": d for p, d in self.documents.items() if isinstance(d, Run)}

    @cached_property
    def verdicts(self) -> dict[tuple[str, str], Verdict]:
        """Verdicts by environment and rollout id."""
        return {(d.environment, d.id): d for d in self.documents.values() if isinstance(d, Verdict)}

    def fault(self, path: str, key: str, text: str) -> Fault:
        """A fault at a key of one of the documents."""
        return self.sources[path].fault(key, text)


def is_generated(path: str) -> bool:
    """Whether a file is rendered from documents and so not itself a document."""
    parts = path.split("/")
    return parts[0] == "environments" and len(parts) > 2 and parts[2] in ("training", "serving", "rollouts", "platform", "flux")


def load_snapshot(files: Files) -> Snapshot:
    """Read every document.

    Raises:
        InvalidDocumentsError: with every fault of every file.
    """
    documents: dict[str, Document] = {}
    sources: dict[str, Source] = {}
    faults: list[Fault] = []
    for path in sorted(files):
        if path.split("/")[0] == "base" or is_generated(path) or not (kind_of(path) or path.endswith((".yaml", ".yml"))):
            continue
        result = read(path, files[path])
        if isinstance(result, list):
            faults += result
        else:
            documents[path], sources[path] = result
    if faults:
        raise InvalidDocumentsError(faults)
    return Snapshot(files, documents, sources)
