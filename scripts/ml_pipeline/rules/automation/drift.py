"""What training overlays have to change so that they follow from the documents that are acted on.

Serving overlays belong to people's commits.
"""

from collections import Counter
from dataclasses import dataclass

from ml_pipeline.documents.changes import Changes, differing
from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.faults import Fault, InvalidDocumentsError
from ml_pipeline.documents.reader import Document, kind_of
from ml_pipeline.documents.snapshot import Files, Snapshot
from ml_pipeline.layout import (
    SHORT,
    is_experiment_folder,
    is_of_a_job,
    maker_of,
    owner_of,
    short_of,
)
from ml_pipeline.rules.automation.holds import hold_of
from ml_pipeline.rules.automation.observed import Hold
from ml_pipeline.rules.automation.triage import Triage
from ml_pipeline.rules.identity.hashes import data_identity
from ml_pipeline.rules.render.overlays import Bases
from ml_pipeline.rules.render.training import training_overlays


@dataclass(frozen=True)
class Drift:
    """What has to change, and why some overlays cannot be rendered."""

    changes: Changes
    holds: tuple[Hold, ...]


@dataclass(frozen=True)
class _Rendered:
    """An overlay, and the documents that it follows from."""

    rests_on: tuple[Document | None, ...]
    files: dict[str, bytes]


class Renderer:
    """Overlays of what experiments wait for, on one state of base/. Each is rendered anew only
    where a document that it rests on was read anew."""

    def __init__(self, files: Files) -> None:
        self._bases = Bases(files)
        self._rendered: dict[str, _Rendered] = {}

    def overlay(self, snapshot: Snapshot, name: str) -> dict[str, bytes]:
        """The overlay of what an experiment waits for.

        Raises:
            InvalidDocumentsError: a file of base/ that it builds on cannot be read.
        """
        experiment = snapshot.experiments[name]
        rests_on = (
            experiment,
            snapshot.environments[experiment.environment],
            snapshot.data.get(data_identity(experiment)),
        )
        known = self._rendered.get(name)
        if known is None or not _are_the_same(known.rests_on, rests_on):
            known = _Rendered(rests_on, training_overlays(snapshot, [name], self._bases))
            self._rendered[name] = known
        return known.files


def _are_the_same(before: tuple[Document | None, ...], after: tuple[Document | None, ...]) -> bool:
    # A snapshot keeps a document as long as its file stays, so comparing objects is enough, and
    # comparing thousands of documents by their content in each pass would not be.
    return all(old is new for old, new in zip(before, after, strict=True))


def training_drift(triage: Triage, renderer: Renderer, environment: str) -> Drift:
    """What has to change in the training overlays of an environment."""
    files = triage.whole.files
    here = {path for path in files if is_of_a_job(path, environment)}
    held_work = _held_work(triage)
    # The Job of a held experiment may run, and to prune it would end the training.
    kept = {path for path in here if held_work.may_be(path, triage.acted_on)}
    taken = {short_of(path) for path in kept}
    wanted: dict[str, bytes] = {}
    unrendered: dict[str, list[Fault]] = {}
    for identity, names in triage.experiments_awaiting(environment).items():
        if identity[:SHORT] in taken:
            continue
        try:
            wanted |= renderer.overlay(triage.acted_on, names[0])
        except InvalidDocumentsError as error:
            unrendered.setdefault(error.faults[0].path, []).append(error.faults[0])
            taken.add(identity[:SHORT])
    stale = here - wanted.keys() - kept
    changes = Changes(
        differing(files, wanted), frozenset(path for path in stale if short_of(path) not in taken)
    )
    holds = []
    for path, faults in unrendered.items():
        holds.append(hold_of(path, faults[:1], Counter({"experiment": len(faults)})))
    return Drift(changes, tuple(holds))


@dataclass(frozen=True)
class _HeldWork:
    """What Jobs of held experiments may make: in overlays with their names, of these identities, or
    any data at all, where nobody can read which."""

    names: set[str]
    shorts: set[str]
    any_data: bool

    def may_be(self, path: str, snapshot: Snapshot) -> bool:
        """Whether a file of an overlay may belong to it."""
        maker, short = maker_of(path), short_of(path)
        if maker in self.names or short in self.shorts:
            return True
        return self.any_data and maker == "data" and not snapshot.data.has(short)


def _held_work(triage: Triage) -> _HeldWork:
    names: set[str] = set()
    shorts = set(triage.faulty_receipts)
    any_data = False
    for path in filter(_may_be_an_experiment, {*triage.faults, *triage.blocked}):
        names.add(owner_of(path))
        experiment = triage.current(path)
        if experiment:
            shorts |= set(triage.shorts_of(experiment))
        else:
            any_data = True
    return _HeldWork(names, shorts, any_data)


def _may_be_an_experiment(path: str) -> bool:
    """Whether it is one, or lies in place of its folder, as a link does."""
    return kind_of(path) is Experiment or is_experiment_folder(path)
