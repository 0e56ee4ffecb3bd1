"""The documents of one revision; rules work on this and on nothing else.

Each is read when it is first asked for and kept: a question about one experiment among thousands reads that one.
`load_snapshot` reads all of them, for whoever has to know that all are valid.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TypeVar

from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.faults import Fault, InvalidDocumentsError
from ml_pipeline.documents.fields import SHORT
from ml_pipeline.documents.promotion import Promotion
from ml_pipeline.documents.reader import Document, kind_of, read
from ml_pipeline.documents.receipts import DataVersion, Run, Verdict
from ml_pipeline.documents.source import Source, parse

Files = Mapping[str, bytes]
ROOTS = ("experiments", "environments", "base")
Key = TypeVar("Key")
Kind = TypeVar("Kind", bound=Document)
Receipt = TypeVar("Receipt", DataVersion, Run)
_FILE_FOR_FOLDER = re.compile(r"(experiments|environments)/[^/.]+")


class Documents(Mapping[Key, Kind]):
    """Documents of one kind by a key that their path tells."""

    def __init__(self, paths: Mapping[Key, str], document: Callable[[str], Document]) -> None:
        self._paths, self._document = paths, document

    def __getitem__(self, key: Key) -> Kind:
        """The document, read now if it was not yet."""
        found: Kind = self._document(self._paths[key])  # type: ignore[assignment]  # the path decides the kind
        return found

    def __iter__(self) -> Iterator[Key]:
        """The keys in their order; reads nothing."""
        return iter(self._paths)

    def __len__(self) -> int:
        """How many there are; reads nothing."""
        return len(self._paths)

    def __contains__(self, key: object) -> bool:
        """Whether it is there; reads nothing."""
        return key in self._paths


class Receipts(Mapping[str, Receipt]):
    """Receipts by their whole identity; the file's name has its first digits, so that one is found without reading the others."""

    def __init__(self, paths: list[str], document: Callable[[str], Document]) -> None:
        self._document = document
        self._by_short: dict[str, list[str]] = {}
        for path in paths:
            self._by_short.setdefault(path.rpartition("/")[2].removesuffix(".yaml"), []).append(
                path
            )

    def __getitem__(self, identity: str) -> Receipt:
        """The receipt with that identity."""
        for path in self._by_short.get(identity[:SHORT], ()):
            found: Receipt = self._document(path)  # type: ignore[assignment]  # the path decides the kind
            if found.identity == identity:
                return found
        raise KeyError(identity)

    def every(self, identity: str) -> list[Receipt]:
        """All receipts with that identity: experiments that are alike may each have one, of environments of their own."""
        paths = self._by_short.get(identity[:SHORT], ())
        receipts: list[Receipt] = [self._document(path) for path in paths]  # type: ignore[misc]  # the path decides the kind
        return [receipt for receipt in receipts if receipt.identity == identity]

    def __contains__(self, identity: object) -> bool:
        """Whether there is a receipt with that identity; None is none."""
        return isinstance(identity, str) and self.get(identity) is not None

    def has(self, short: str) -> bool:
        """Whether there is a receipt whose identity begins so; reads nothing."""
        return short in self._by_short

    def __iter__(self) -> Iterator[str]:
        """The identities; reads every receipt."""
        paths = [path for group in self._by_short.values() for path in group]
        identities: dict[str, str] = {}
        for path in paths:
            receipt: Receipt = self._document(path)  # type: ignore[assignment]  # the path decides the kind
            identities[receipt.identity] = path
        return iter(identities)

    def __len__(self) -> int:
        """How many identities there are; reads every receipt."""
        return sum(1 for _ in self)


class Snapshot:
    """The documents of one revision, and the files that they are read from.

    Every property may raise InvalidDocumentsError, with the faults of the document that it had to read.
    """

    def __init__(self, files: Files) -> None:
        self.files = files
        self._known: dict[str, Document] = {}

    def document(self, path: str) -> Document:
        """The document at a path.

        Raises:
            InvalidDocumentsError: with every fault of it.
            KeyError: there is no such file.
        """
        if path not in self._known:
            result = read(path, self.files[path])
            if isinstance(result, list):
                raise InvalidDocumentsError(result)
            self._known[path] = result[0]
        return self._known[path]

    def read_all(self) -> None:
        """Read every document.

        Raises:
            InvalidDocumentsError: with every fault of every file.
        """
        faults: list[Fault] = []
        for path in sorted(path for paths in self.paths.values() for path in paths):
            try:
                self.document(path)
            except InvalidDocumentsError as error:
                faults += error.faults
        if faults:
            raise InvalidDocumentsError(faults)

    def source(self, path: str) -> Source | None:
        """The lines of a document, None where it does not exist or is not YAML."""
        found = parse(path, self.files[path]) if path in self.files else None
        return found if isinstance(found, Source) else None

    def fault(self, path: str, key: str, text: str) -> Fault:
        """A fault at a key of one of the documents."""
        source = self.source(path)
        return source.fault(key, text) if source else Fault(path, 1, key, text)

    @cached_property
    def paths(self) -> dict[type[Document] | None, list[str]]:
        """Paths of documents by kind, each in the order of names; under None what lies where only documents may, but is none."""
        found: dict[type[Document] | None, list[str]] = {}
        for path in sorted(
            path for path in self.files if not path.startswith("base/") and not is_generated(path)
        ):
            kind = kind_of(path)
            if kind or path.endswith((".yaml", ".yml")) or _FILE_FOR_FOLDER.fullmatch(path):
                found.setdefault(kind, []).append(path)
        return found

    @cached_property
    def experiments(self) -> Documents[str, Experiment]:
        """Experiments by folder name, in the order of names."""
        return Documents({path.split("/")[1]: path for path in self._of(Experiment)}, self.document)

    @cached_property
    def environments(self) -> Documents[str, Environment]:
        """Environments by folder name."""
        return Documents(
            {path.split("/")[1]: path for path in self._of(Environment)}, self.document
        )

    @cached_property
    def promotions(self) -> Documents[tuple[str, str], Promotion]:
        """Promotions by environment and model."""
        return Documents(
            {(path.split("/")[1], _stem(path)): path for path in self._of(Promotion)}, self.document
        )

    @cached_property
    def data(self) -> Receipts[DataVersion]:
        """Receipts of prepared data by identity."""
        return Receipts(self._of(DataVersion), self.document)

    @cached_property
    def runs(self) -> Receipts[Run]:
        """Receipts of runs by identity."""
        return Receipts(self._of(Run), self.document)

    @cached_property
    def runs_by_reference(self) -> Documents[str, Run]:
        """Receipts of runs by `experiment/id`, as promotions name them."""
        return Documents(
            {f"{path.split('/')[1]}/{_stem(path)}": path for path in self._of(Run)}, self.document
        )

    @cached_property
    def verdicts(self) -> Documents[tuple[str, str], Verdict]:
        """Verdicts by environment and rollout id."""
        return Documents(
            {(path.split("/")[1], _stem(path)): path for path in self._of(Verdict)}, self.document
        )

    def _of(self, kind: type[Document]) -> list[str]:
        return self.paths.get(kind, [])


def is_generated(path: str) -> bool:
    """Whether a file is rendered from documents and so not itself a document."""
    parts = path.split("/", 3)
    return (
        len(parts) > 2
        and parts[0] == "environments"
        and parts[2] in ("training", "serving", "rollouts", "platform", "flux")
    )


def load_snapshot(files: Files) -> Snapshot:
    """The snapshot of a tree whose every document has been read.

    Raises:
        InvalidDocumentsError: with every fault of every file.
    """
    snapshot = Snapshot(files)
    snapshot.read_all()
    return snapshot


def _stem(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".yaml")
