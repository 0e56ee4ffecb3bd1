"""The documents of one revision; rules work on this and on nothing else.

Each is read when it is first asked for and kept: a question about one experiment among thousands
reads that one. `load_snapshot` reads all of them, for whoever has to know that all are valid.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple, TypeVar

from ml_pipeline.documents.changes import Changes, applied
from ml_pipeline.documents.data_snapshot import DataSnapshot
from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.faults import Fault, InvalidDocumentsError
from ml_pipeline.documents.promotion import Promotion
from ml_pipeline.documents.reader import Document, kind_of, read
from ml_pipeline.documents.receipts import DataVersion, Run, Verdict
from ml_pipeline.documents.source import Source, parse
from ml_pipeline.layout import SHORT, experiment_path, is_listed, owner_of, stem_of

Files = Mapping[str, bytes]
Key = TypeVar("Key")
Kind = TypeVar("Kind", bound=Document)
Receipt = TypeVar("Receipt", DataVersion, Run)


class Documents(Mapping[Key, Kind]):
    """Documents of one kind by a key that their path tells."""

    def __init__(self, paths: Mapping[Key, str], document: Callable[[str], Document]) -> None:
        self._paths, self._document = paths, document

    def __getitem__(self, key: Key) -> Kind:
        """The document, read now if it was not yet."""
        # The path decides the kind.
        document: Kind = self._document(self._paths[key])  # type: ignore[assignment]
        return document

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
    """Receipts by their whole identity.

    The file's name has its first digits, so that one is found without reading the others.
    """

    def __init__(self, paths: Iterable[str], document: Callable[[str], Document]) -> None:
        self._document = document
        self._by_short: dict[str, tuple[str, ...]] = {}
        for path in paths:
            self._add(path)

    def __getitem__(self, identity: str) -> Receipt:
        """The receipt with that identity."""
        for path in self._by_short.get(identity[:SHORT], ()):
            receipt = self._receipt(path)
            if receipt.identity == identity:
                return receipt
        raise KeyError(identity)

    def every(self, identity: str) -> list[Receipt]:
        """All receipts with that identity.

        Experiments that are alike may each have one, of environments of their own.
        """
        receipts = map(self._receipt, self._by_short.get(identity[:SHORT], ()))
        return [receipt for receipt in receipts if receipt.identity == identity]

    def __contains__(self, identity: object) -> bool:
        """Whether there is a receipt with that identity; None is none."""
        return isinstance(identity, str) and self.get(identity) is not None

    def after(
        self, added: Iterable[str], gone: Iterable[str], document: Callable[[str], Document]
    ) -> "Receipts[Receipt]":
        """The receipts of another snapshot, in which these paths have been added or are gone."""
        after: Receipts[Receipt] = Receipts((), document)
        after._by_short = dict(self._by_short)
        for path in gone:
            short: str = stem_of(path)
            others = after._by_short.pop(short, ())
            kept = tuple(other for other in others if other != path)
            if kept:
                after._by_short[short] = kept
        for path in added:
            after._add(path)
        return after

    def _add(self, path: str) -> None:
        short: str = stem_of(path)
        self._by_short[short] = (*self._by_short.get(short, ()), path)

    def _receipt(self, path: str) -> Receipt:
        # The path decides the kind.
        return self._document(path)  # type: ignore[return-value]

    def has(self, short: str) -> bool:
        """Whether there is a receipt whose identity begins so; reads nothing."""
        return short in self._by_short

    def __iter__(self) -> Iterator[str]:
        """The identities; reads every receipt."""
        identities: dict[str, None] = {}
        for paths in self._by_short.values():
            for path in paths:
                identities[self._receipt(path).identity] = None
        return iter(identities)

    def __len__(self) -> int:
        """How many identities there are; reads every receipt."""
        return sum(1 for _ in self)


class Snapshot:
    """The documents of one revision, and the files that they are read from.

    Every property may raise InvalidDocumentsError, with the faults of the document that it had to
    read.
    """

    def __init__(self, files: Files) -> None:
        self.files = files
        self._known: dict[str, Document] = {}
        self._current: dict[str, _Current] = {}
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
        """The snapshot of another revision, which differs from this one in some paths at most.

        What both hold is read once.
        """
        other = Snapshot(files)
        other._beside = self, differing
        return other

    def after(self, changes: Changes) -> "Snapshot":
        """The snapshot once some files are written and some deleted.

        What was read of the others is kept, so that one file more among thousands costs no more
        than that file and a copy of the lists.
        """
        after = Snapshot(applied(self.files, changes))
        touched = {*changes.write, *changes.delete}
        after._known, after._current = dict(self._known), dict(self._current)
        for path in touched:
            after._known.pop(path, None)
        listed = list(filter(is_listed, touched))
        added = [path for path in listed if path in after.files and path not in self.files]
        gone = [path for path in listed if path in self.files and path not in after.files]
        after.paths = self._paths_after(added, gone)
        self._hand_on_views(after, added, gone)
        return after

    def _paths_after(
        self, added: Iterable[str], gone: Iterable[str]
    ) -> dict[type[Document] | None, list[str]]:
        paths = {**self.paths}
        # The lists that change are copied; the others are shared by both snapshots.
        for kind in {kind_of(path) for path in (*added, *gone)}:
            paths[kind] = [*paths.get(kind, ())]
        for path in added:
            paths_of_kind = paths[kind_of(path)]
            paths_of_kind.insert(bisect_left(paths_of_kind, path), path)
        for path in gone:
            paths[kind_of(path)].remove(path)
        return paths

    def _hand_on_views(self, after: "Snapshot", added: list[str], gone: list[str]) -> None:
        """Give a later snapshot the views that this one has made, where they still hold."""
        changed = {kind_of(path) for path in (*added, *gone)}
        for name, kind in _VIEWS.items():
            # Where a cached property keeps its value; one that nobody has asked for is not there.
            view = self.__dict__.get(name)
            if isinstance(view, Receipts):
                more, less = ([p for p in paths if kind_of(p) is kind] for paths in (added, gone))
                after.__dict__[name] = view.after(more, less, after.document)
            elif view is not None and kind not in changed:
                after.__dict__[name] = view.of(after._reader(kind))

    def read_all(self, asked: Iterable[str] | None = None) -> None:
        """Read every document, or of those that are asked every one.

        Raises:
            InvalidDocumentsError: with every fault of every file.
        """
        faults: list[Fault] = []
        listed = chain(*self.paths.values()) if asked is None else filter(is_listed, asked)
        for path in sorted(listed):
            try:
                self.document(path)
            except InvalidDocumentsError as error:
                faults += error.faults
        if faults:
            raise InvalidDocumentsError(faults)

    def source(self, path: str) -> Source | None:
        """The lines of a document, None where it does not exist or is not YAML."""
        source = parse(path, self.files[path]) if path in self.files else None
        return source if isinstance(source, Source) else None

    def fault(self, path: str, key: str, text: str) -> Fault:
        """A fault at a key of one of the documents."""
        source = self.source(path)
        return source.fault(key, text) if source else Fault(path, 1, key, text)

    @cached_property
    def paths(self) -> dict[type[Document] | None, list[str]]:
        """Paths of documents by kind, each in the order of names.

        Under None stands what lies where only documents may, but is none.
        """
        paths: dict[type[Document] | None, list[str]] = {}
        for path in sorted(filter(is_listed, self.files)):
            paths.setdefault(kind_of(path), []).append(path)
        return paths

    @cached_property
    def experiments(self) -> Documents[str, Experiment]:
        """Experiments by folder name, in the order of names, as they train now."""
        return self._documents(Experiment, owner_of)

    def written(self, name: str) -> Experiment:
        """An experiment as its file says."""
        # The path decides the kind.
        return self.document(experiment_path(name))  # type: ignore[return-value]

    def current(self, experiment: Experiment) -> Experiment:
        """An experiment as it trains now: a recurring one on the newest state of its source."""
        newest = self.newest_data(experiment)
        return on_data(experiment, self.data_snapshot(newest)) if newest else experiment

    def newest_data(self, experiment: Experiment) -> str | None:
        """Path of the newest state of a recurring experiment's source, None where there is none."""
        return self._newest_data.get(experiment.name) if experiment.is_recurring else None

    def data_snapshots_of(self, name: str) -> list[str]:
        """Paths of all states of an experiment's source, oldest first."""
        return [path for path in self.paths.get(DataSnapshot, ()) if owner_of(path) == name]

    def data_snapshot(self, path: str) -> DataSnapshot:
        """The state of a source that a path holds."""
        # The path decides the kind.
        return self.document(path)  # type: ignore[return-value]

    @cached_property
    def _newest_data(self) -> dict[str, str]:
        """Path of the newest state of each experiment's source; names sort by time."""
        return {owner_of(path): path for path in self.paths.get(DataSnapshot, ())}

    @cached_property
    def environments(self) -> Documents[str, Environment]:
        """Environments by folder name."""
        return self._documents(Environment, owner_of)

    @cached_property
    def promotions(self) -> Documents[tuple[str, str], Promotion]:
        """Promotions by environment and model."""
        return self._documents(Promotion, _owner_and_stem)

    @cached_property
    def data(self) -> Receipts[DataVersion]:
        """Receipts of prepared data by identity."""
        return Receipts(self.paths.get(DataVersion, ()), self.document)

    @cached_property
    def runs(self) -> Receipts[Run]:
        """Receipts of runs by identity."""
        return Receipts(self.paths.get(Run, ()), self.document)

    @cached_property
    def runs_by_reference(self) -> Documents[str, Run]:
        """Receipts of runs by `experiment/id`, as promotions name them."""
        return self._documents(Run, _reference)

    @cached_property
    def verdicts(self) -> Documents[tuple[str, str], Verdict]:
        """Verdicts by environment and rollout id."""
        return self._documents(Verdict, _owner_and_stem)

    def _documents(self, kind: type[Document], key: Callable[[str], Key]) -> Documents[Key, Any]:
        paths = {key(path): path for path in self.paths.get(kind, ())}
        return Documents(paths, self._reader(kind))

    def _reader(self, kind: type[Document]) -> Callable[[str], Document]:
        """What reads a document of a kind for those who ask for it by name."""
        return self._experiment if kind is Experiment else self.document

    def _experiment(self, path: str) -> Experiment:
        written = self.written(owner_of(path))
        newest = self.newest_data(written)
        if newest is None:
            return written
        data = self.data_snapshot(newest)
        known = self._current.get(path)
        # The same object as long as both files stay: who keeps what follows from it compares so.
        if known is None or known.written is not written or known.data is not data:
            known = self._current[path] = _Current(written, data, on_data(written, data))
        return known.experiment


class _Current(NamedTuple):
    """An experiment as it was written, the newest state of its source, and both together."""

    written: Experiment
    data: DataSnapshot
    experiment: Experiment


def on_data(experiment: Experiment, data: DataSnapshot) -> Experiment:
    """An experiment on one state of its source."""
    source = {"uri": data.uri, "sha256": data.sha256}
    dataset = experiment.dataset.model_copy(update=source)
    return experiment.model_copy(update={"dataset": dataset})


def _owner_and_stem(path: str) -> tuple[str, str]:
    return owner_of(path), stem_of(path)


def _reference(path: str) -> str:
    return f"{owner_of(path)}/{stem_of(path)}"


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


def load_snapshot(files: Files) -> Snapshot:
    """The snapshot of a tree whose every document has been read.

    Raises:
        InvalidDocumentsError: with every fault of every file.
    """
    snapshot = Snapshot(files)
    snapshot.read_all()
    return snapshot
