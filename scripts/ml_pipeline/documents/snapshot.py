"""The documents of one revision; rules work on this and on nothing else.

Each is read when it is first asked for and kept: a question about one experiment among thousands reads that one.
`load_snapshot` reads all of them, for whoever has to know that all are valid.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import TypeVar

from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.faults import Fault, InvalidDocumentsError
from ml_pipeline.documents.promotion import Promotion
from ml_pipeline.documents.reader import Document, kind_of, read
from ml_pipeline.documents.receipts import DataVersion, Run, Verdict
from ml_pipeline.documents.source import Source, parse
from ml_pipeline.layout import SHORT, is_generated, owner_of, stem_of

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

    def of(self, document: Callable[[str], Document]) -> "Documents[Key, Kind]":
        """The same keys, read from another snapshot."""
        return Documents(self._paths, document)


class Receipts(Mapping[str, Receipt]):
    """Receipts by their whole identity; the file's name has its first digits, so that one is found without reading the others."""

    def __init__(self, paths: Iterable[str], document: Callable[[str], Document]) -> None:
        self._document = document
        self._by_short: dict[str, tuple[str, ...]] = {}
        for path in paths:
            self._add(path)

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

    def after(
        self, added: Iterable[str], gone: Iterable[str], document: Callable[[str], Document]
    ) -> "Receipts[Receipt]":
        """The receipts of another snapshot, in which these paths have been added or are gone."""
        found: Receipts[Receipt] = Receipts((), document)
        found._by_short = dict(self._by_short)
        for path in gone:
            short: str = stem_of(path)
            kept = tuple(other for other in found._by_short.pop(short, ()) if other != path)
            if kept:
                found._by_short[short] = kept
        for path in added:
            found._add(path)
        return found

    def _add(self, path: str) -> None:
        short: str = stem_of(path)
        self._by_short[short] = (*self._by_short.get(short, ()), path)

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
        self._beside: tuple[Snapshot, frozenset[str]] | None = None

    def document(self, path: str) -> Document:
        """The document at a path.

        Raises:
            InvalidDocumentsError: with every fault of it.
            KeyError: there is no such file.
        """
        if path not in self._known:
            if self._beside and path not in self._beside[1]:
                return self._beside[0].document(path)
            result = read(path, self.files[path])
            if isinstance(result, list):
                raise InvalidDocumentsError(result)
            self._known[path] = result[0]
        return self._known[path]

    def beside(self, files: Files, differing: frozenset[str]) -> "Snapshot":
        """The snapshot of another revision, which differs from this one in some paths at most: what both hold is read once."""
        found = Snapshot(files)
        found._beside = self, differing
        return found

    def after(self, write: Mapping[str, bytes], delete: Iterable[str] = ()) -> "Snapshot":
        """The snapshot once some files are written and some deleted. What was read of the others is kept, so that one file
        more among thousands costs no more than that file and a copy of the lists."""
        gone = {path for path in delete if path in self.files}
        found = Snapshot({**self.files, **write})
        for path in gone:
            del found.files[path]  # type: ignore[attr-defined]  # the line above has made it a dict
        found._known = {**self._known}
        for path in (*write, *gone):
            found._known.pop(path, None)
        added = [path for path in write if path not in self.files and is_listed(path)]
        left = [path for path in gone if is_listed(path)]
        found.paths = self._paths_after(added, left)
        changed = {kind_of(path) for path in (*added, *left)}
        for name, kind in _VIEWS.items():
            view = self.__dict__.get(name)
            if view is None:
                continue
            if isinstance(view, Receipts):
                mine, less = ([p for p in part if kind_of(p) is kind] for part in (added, left))
                found.__dict__[name] = view.after(mine, less, found.document)
            elif kind not in changed:
                found.__dict__[name] = view.of(found.document)
        return found

    def _paths_after(
        self, added: Iterable[str], gone: Iterable[str]
    ) -> dict[type[Document] | None, list[str]]:
        paths = {**self.paths}
        for kind in {kind_of(path) for path in (*added, *gone)}:
            paths[kind] = [*paths.get(kind, ())]
        for path in added:
            group = paths[kind_of(path)]
            group.insert(bisect_left(group, path), path)
        for path in gone:
            paths[kind_of(path)].remove(path)
        return paths

    def read_all(self, asked: Iterable[str] | None = None) -> None:
        """Read every document, or of those that are asked every one.

        Raises:
            InvalidDocumentsError: with every fault of every file.
        """
        faults: list[Fault] = []
        whole = (path for paths in self.paths.values() for path in paths)
        for path in sorted(whole if asked is None else filter(is_listed, asked)):
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
        for path in sorted(path for path in self.files if is_listed(path)):
            found.setdefault(kind_of(path), []).append(path)
        return found

    @cached_property
    def experiments(self) -> Documents[str, Experiment]:
        """Experiments by folder name, in the order of names."""
        return Documents({owner_of(path): path for path in self._of(Experiment)}, self.document)

    @cached_property
    def environments(self) -> Documents[str, Environment]:
        """Environments by folder name."""
        return Documents({owner_of(path): path for path in self._of(Environment)}, self.document)

    @cached_property
    def promotions(self) -> Documents[tuple[str, str], Promotion]:
        """Promotions by environment and model."""
        return Documents(
            {(owner_of(path), stem_of(path)): path for path in self._of(Promotion)}, self.document
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
            {f"{owner_of(path)}/{stem_of(path)}": path for path in self._of(Run)}, self.document
        )

    @cached_property
    def verdicts(self) -> Documents[tuple[str, str], Verdict]:
        """Verdicts by environment and rollout id."""
        return Documents(
            {(owner_of(path), stem_of(path)): path for path in self._of(Verdict)}, self.document
        )

    def _of(self, kind: type[Document]) -> list[str]:
        return self.paths.get(kind, [])


# Properties of a snapshot that hold documents of one kind.
_VIEWS: dict[str, type[Document]] = {
    "experiments": Experiment,
    "environments": Environment,
    "promotions": Promotion,
    "data": DataVersion,
    "runs": Run,
    "runs_by_reference": Run,
    "verdicts": Verdict,
}


def is_listed(path: str) -> bool:
    """Whether a file is a document, or lies where only documents may."""
    if path.startswith("base/") or is_generated(path):
        return False
    is_named = path.endswith((".yaml", ".yml")) or _FILE_FOR_FOLDER.fullmatch(path)
    return bool(kind_of(path) or is_named)


def load_snapshot(files: Files) -> Snapshot:
    """The snapshot of a tree whose every document has been read.

    Raises:
        InvalidDocumentsError: with every fault of every file.
    """
    snapshot = Snapshot(files)
    snapshot.read_all()
    return snapshot
