"""Which documents of a revision are acted on, where anybody may have broken any of them.

Faulty ones are left alone, and so are sound ones that need a faulty one. Left alone means both
ways: nothing is committed for it, and nothing that is there for it is taken away.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from functools import cached_property

from ml_pipeline.documents.changes import Changes
from ml_pipeline.documents.data_snapshot import DataSnapshot
from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.faults import Fault, InvalidDocumentsError
from ml_pipeline.documents.promotion import Promotion
from ml_pipeline.documents.reader import Document, kind_of
from ml_pipeline.documents.receipts import DataVersion, Run
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.documents.source import Special
from ml_pipeline.layout import (
    SHORT,
    environment_of,
    environment_path,
    is_listed,
    is_of_a_rollout,
    owner_of,
    promotion_path,
    reference_of,
    rollouts_folder,
    run_path,
    stem_of,
    verdict_path,
)
from ml_pipeline.rules.identity.awaited import awaited_identity
from ml_pipeline.rules.identity.hashes import data_identity, rollout_id, run_identity, run_inputs
from ml_pipeline.rules.identity.served import serving_of
from ml_pipeline.rules.review.faults import document_faults

# Kinds of which there are many, and whose rules read little else.
_MANY = (Experiment, DataSnapshot, DataVersion, Run)
# The identity in a receipt that is no document any more, as automation writes it.
_IDENTITY = re.compile(rb"^(?:id|identity): '?([0-9a-f]{10})", re.MULTILINE)


class Triage:
    """The documents of one revision: the faulty, those that a faulty one blocks, the rest."""

    def __init__(self, whole: Snapshot) -> None:
        self.whole = whole
        self._own: dict[str, list[Fault]] = {}

    def keep(self, before: "Triage", touched: Collection[str]) -> None:
        """Take over what the revision before has found, where nothing that it rests on is touched.

        A rule between documents reads environments and receipts. Of the kinds of which there are
        many, an experiment's rules read environments alone and a receipt's only the receipt itself;
        the others are few and judged anew.
        """
        if any(environment_of(path) for path in touched):
            return
        for path, faults in before._own.items():
            if path not in touched and kind_of(path) in _MANY:
                self._own[path] = faults

    @cached_property
    def faults(self) -> dict[str, list[Fault]]:
        """The faults of each faulty file by its path; those of a document that it refers to are not
        its own."""
        faults: dict[str, list[Fault]] = {}
        for path in self._judged():
            if path not in self._own:
                self._own[path] = self._own_faults(path)
            if self._own[path]:
                faults[path] = self._own[path]
        for environment, model in self.whole.promotions:
            if promotion_path(environment, model) not in faults:
                for fault in self._rollout_faults(environment, model):
                    faults.setdefault(fault.path, [fault])
        return faults

    @cached_property
    def blocked(self) -> dict[str, str]:
        """Documents that are sound by themselves, and the faulty file that each needs."""
        if not self.faults:
            return {}
        blocked = {}
        for path in self.whole.paths.get(Experiment, []) + self.whole.paths.get(Promotion, []):
            if path not in self.faults:
                needed = self._needed(path, self.whole.document(path))
                faulty = next((other for other in needed if other in self.faults), None)
                if faulty:
                    blocked[path] = faulty
        return blocked

    @cached_property
    def acted_on(self) -> Snapshot:
        """The rest."""
        left = {*self.faults, *self.blocked}
        return self.whole.after(Changes({}, frozenset(left))) if left else self.whole

    @cached_property
    def pending(self) -> dict[str, str]:
        """What each experiment that is acted on waits for, by its name: the identity of its data or
        run."""
        pending = {}
        for name, experiment in self.acted_on.experiments.items():
            identity = awaited_identity(self.acted_on, experiment)
            if identity:
                pending[name] = identity
        return pending

    def experiments_awaiting(self, environment: str) -> dict[str, list[str]]:
        """The experiments of an environment that wait for each identity; the first of them has the
        overlay."""
        return self._awaiting.get(environment, {})

    @cached_property
    def _awaiting(self) -> dict[str, dict[str, list[str]]]:
        awaiting: dict[str, dict[str, list[str]]] = {}
        for name, identity in self.pending.items():
            environment = self.acted_on.experiments[name].environment
            awaiting.setdefault(environment, {}).setdefault(identity, []).append(name)
        return awaiting

    @cached_property
    def faulty_receipts(self) -> dict[str, str]:
        """Paths of faulty receipts by each short identity that they may stand for: what they settle
        must not run again."""
        paths: dict[str, str] = {}
        for path in self.faults:
            if kind_of(path) in (Run, DataVersion):
                inside = [short.decode() for short in _IDENTITY.findall(self.whole.files[path])]
                paths |= dict.fromkeys([*inside, stem_of(path)], path)
        return paths

    def readable(self, path: str) -> Document | None:
        """The document at a path, None where nobody can read it."""
        try:
            return self.whole.document(path)
        except InvalidDocumentsError:
            return None

    def current(self, path: str) -> Experiment | None:
        """The experiment at a path as it trains now, None where nobody can tell."""
        try:
            return self.whole.experiments.get(owner_of(path))
        except InvalidDocumentsError:
            return None

    def shorts_of(self, experiment: Experiment) -> list[str]:
        """Short identities of what an experiment asks for, as far as they are known."""
        data = data_identity(experiment)
        if data[:SHORT] in self.faulty_receipts:
            return [data[:SHORT]]
        prepared = self.whole.data.get(data)
        if prepared is None or prepared.data is None:
            return [data[:SHORT]]
        # Which of the two it is depends on receipts, and one of those may be the faulty file.
        anywhere = run_inputs(experiment, prepared.data.sha256)
        here = run_inputs(experiment, prepared.data.sha256, environment=experiment.environment)
        return [data[:SHORT], run_identity(anywhere)[:SHORT], run_identity(here)[:SHORT]]

    def _judged(self) -> list[str]:
        return [path for path, raw in self.whole.files.items() if _is_judged(path, raw)]

    def _own_faults(self, path: str) -> list[Fault]:
        raw = self.whole.files[path]
        if isinstance(raw, Special):
            return [raw.fault(path)]
        try:
            return document_faults(self.whole, [path])
        except InvalidDocumentsError as error:
            return [fault for fault in error.faults if fault.path == path]

    def _rollout_faults(self, environment: str, model: str) -> tuple[Fault, ...]:
        """Why the weights that automation keeps for a promotion do not fit it."""
        try:
            serving_of(self.whole, environment, model)
        except InvalidDocumentsError as error:
            return error.faults
        return ()

    def _needed(self, path: str, document: Document) -> Iterable[str]:
        """Paths of what has to be sound before a document is acted on."""
        if isinstance(document, Promotion):
            return self._needed_by_promotion(owner_of(path), document)
        if isinstance(document, Experiment):
            return self._needed_by_experiment(document)
        return ()

    def _needed_by_promotion(self, environment: str, promotion: Promotion) -> Iterator[str]:
        yield environment_path(environment)
        yield verdict_path(environment, promotion.model, rollout_id(environment, promotion))
        for reference in filter(None, (promotion.run, promotion.baseline)):
            run = reference_of(reference)
            yield run_path(run.experiment, run.id)
        folder = rollouts_folder(environment, promotion.model)
        for path in self.faults:
            if path.startswith(folder):
                yield path

    def _needed_by_experiment(self, experiment: Experiment) -> Iterator[str]:
        yield environment_path(experiment.environment)
        # Without the newest state of its source an older one would count, and train once more.
        yield self.whole.newest_data(experiment) or ""
        # Hashing what each of thousands asks for takes long: only where a receipt is faulty.
        if self.faulty_receipts:
            for short in self.shorts_of(self.whole.current(experiment)):
                yield self.faulty_receipts.get(short, "")


def _is_judged(path: str, raw: bytes) -> bool:
    return is_listed(path) or is_of_a_rollout(path) or isinstance(raw, Special)
