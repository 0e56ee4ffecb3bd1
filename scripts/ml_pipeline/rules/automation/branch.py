"""A revision whose every document anybody may have broken: the sound ones, and what is left alone because of the others.

Left alone means both ways: nothing is committed for it, and nothing that is there for it is taken away.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property

from ml_pipeline.documents.changes import Changes
from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.faults import Fault, InvalidDocumentsError
from ml_pipeline.documents.promotion import Promotion
from ml_pipeline.documents.reader import Document, kind_of
from ml_pipeline.documents.receipts import DataVersion, Run
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.documents.source import Special
from ml_pipeline.layout import (
    SHORT,
    is_listed,
    job_folder,
    promotion_path,
    rollouts_folder,
    verdict_path,
)
from ml_pipeline.rules.automation.observed import Hold
from ml_pipeline.rules.identity.awaited import awaited_identity
from ml_pipeline.rules.identity.hashes import data_identity, rollout_id, run_identity, run_inputs
from ml_pipeline.rules.identity.served import serving_of
from ml_pipeline.rules.render.overlays import Bases
from ml_pipeline.rules.render.training import training_overlays
from ml_pipeline.rules.review.faults import check

# The identity in a receipt that is no document any more, as automation writes it.
_IDENTITY = re.compile(rb"^(?:id|identity): '?([0-9a-f]{10})", re.MULTILINE)
Rendered = tuple[tuple[object, ...], dict[str, bytes]]


class Branch:
    """The documents of one revision. What was found about a file is kept as long as nothing that it rests on changes."""

    def __init__(self, whole: Snapshot) -> None:
        self.whole = whole
        self.bases = Bases(whole.files)
        self._own: dict[str, list[Fault]] = {}
        self._rendered: dict[str, Rendered] = {}
        self._drifts: dict[str, tuple[Changes, tuple[Hold, ...]]] = {}

    def after(self, write: Mapping[str, bytes], delete: Iterable[str] = ()) -> "Branch":
        """The branch once some files are written and some deleted."""
        touched = {*write, *delete}
        found = Branch(self.whole.after(Changes(dict(write), frozenset(delete))))
        if not any(path.startswith("base/") for path in touched):
            found.bases, found._rendered = self.bases, self._rendered
        # A rule between documents reads environments and receipts; of what has many, only experiments read none of the latter.
        if not any(path.endswith("/environment.yaml") for path in touched):
            found._own = {
                path: faults
                for path, faults in self._own.items()
                if path not in touched and kind_of(path) in (Experiment, Run, DataVersion)
            }
        return found

    @cached_property
    def faults(self) -> dict[str, list[Fault]]:
        """The faults of each faulty file by its path; faults of a document that it refers to are not its own."""
        self._own |= {
            path: self._own_faults(path) for path in self._judged if path not in self._own
        }
        found = {path: faults for path in self._judged if (faults := self._own[path])}
        for name, model in self.whole.promotions:
            path = promotion_path(name, model)
            if path in found:
                continue
            try:
                serving_of(self.whole, name, model)
            except InvalidDocumentsError as error:
                for fault in error.faults:
                    found.setdefault(fault.path, [fault])
        return found

    @cached_property
    def waiting(self) -> dict[str, str]:
        """Documents that are sound by themselves, and the faulty file that each needs."""
        if not self.faults:
            return {}
        found = {}
        for path in self.whole.paths.get(Experiment, []) + self.whole.paths.get(Promotion, []):
            if path not in self.faults:
                needed = self._needed(path, self.whole.document(path))
                faulty = next((other for other in needed if other in self.faults), None)
                if faulty:
                    found[path] = faulty
        return found

    @cached_property
    def snapshot(self) -> Snapshot:
        """The documents that are acted on."""
        left = {*self.faults, *self.waiting}
        return self.whole.after(Changes({}, frozenset(left))) if left else self.whole

    @cached_property
    def pending(self) -> dict[str, str]:
        """What each experiment that is acted on waits for, by its name: the identity of its data or run."""
        found = {}
        for name, experiment in self.snapshot.experiments.items():
            identity = awaited_identity(self.snapshot, experiment)
            if identity:
                found[name] = identity
        return found

    def awaited(self, environment: str) -> set[str]:
        """Identities of data and runs that this environment has still to finish."""
        experiments = self.snapshot.experiments
        return {
            identity
            for name, identity in self.pending.items()
            if experiments[name].environment == environment
        }

    def drift(self, environment: str) -> tuple[Changes, tuple[Hold, ...]]:
        """What has to change so that this environment's training overlays follow from the documents that are acted on, and
        why some cannot be rendered. Serving overlays belong to people's commits."""
        if environment not in self._drifts:
            self._drifts[environment] = self._drift(environment)
        return self._drifts[environment]

    def _drift(self, environment: str) -> tuple[Changes, tuple[Hold, ...]]:
        here = {path for path in self.whole.files if is_of_a_job(path, environment)}
        kept = self._kept(here)
        taken = {short_of(path) for path in kept}
        wanted: dict[str, bytes] = {}
        unrendered: dict[str, list[Fault]] = {}
        for (place, identity), name in self._claims.items():
            if place != environment or identity[:SHORT] in taken:
                continue
            try:
                wanted |= self.overlay(self.snapshot, name)
            except InvalidDocumentsError as error:
                unrendered.setdefault(error.faults[0].path, []).append(error.faults[0])
                taken.add(identity[:SHORT])
        changes = Changes(
            {path: raw for path, raw in wanted.items() if self.whole.files.get(path) != raw},
            frozenset(p for p in here - wanted.keys() - kept if short_of(p) not in taken),
        )
        return changes, tuple(
            _hold(path, faults[:1], Counter({"experiment": len(faults)}))
            for path, faults in unrendered.items()
        )

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
        if known is None or any(a is not b for a, b in zip(known[0], rests_on, strict=True)):
            known = rests_on, training_overlays(snapshot, [name], self.bases)
            self._rendered[name] = known
        return known[1]

    def holds(self, environment: str) -> tuple[Hold, ...]:
        """What is left alone on the branch, as far as it concerns an environment."""
        dependents: dict[str, Counter[str]] = {}
        for path, faulty in self.waiting.items():
            kind = kind_of(path)
            assert kind is not None
            dependents.setdefault(faulty, Counter())[kind.__name__.lower()] += 1
        return tuple(
            _hold(path, faults, dependents.get(path, Counter()))
            for path, faults in sorted(self.faults.items())
            if self._concerns(path, environment)
        )

    def is_held(self, environment: str) -> bool:
        """Whether the facts of an environment are faulty: then nothing at all is done in it."""
        return f"environments/{environment}/environment.yaml" in self.faults

    @cached_property
    def _judged(self) -> list[str]:
        return [
            path
            for path, raw in self.whole.files.items()
            if is_listed(path) or _is_rollout(path) or isinstance(raw, Special)
        ]

    def _own_faults(self, path: str) -> list[Fault]:
        raw = self.whole.files[path]
        if isinstance(raw, Special):
            return [raw.fault(path)]
        try:
            return check(self.whole, [path])
        except InvalidDocumentsError as error:
            return [fault for fault in error.faults if fault.path == path]

    @cached_property
    def _claims(self) -> dict[tuple[str, str], str]:
        """The first experiment that waits for each identity, by environment and identity: it has the overlay."""
        found: dict[tuple[str, str], str] = {}
        for name, identity in self.pending.items():
            environment = self.snapshot.experiments[name].environment
            found.setdefault((environment, identity), name)
        return found

    @cached_property
    def _held_receipts(self) -> dict[str, str]:
        """Paths of faulty receipts by each short identity that they may stand for: what they settle must not run again."""
        found: dict[str, str] = {}
        for path in self.faults:
            if kind_of(path) in (Run, DataVersion):
                shorts = [raw.decode() for raw in _IDENTITY.findall(self.whole.files[path])]
                name = path.rpartition("/")[2].removesuffix(".yaml")
                found |= dict.fromkeys([*shorts, name], path)
        return found

    def _needed(self, path: str, document: Document) -> Iterable[str]:
        """Paths of what has to be sound before a document is acted on."""
        if isinstance(document, Promotion):
            environment, model = path.split("/")[1], document.model
            yield f"environments/{environment}/environment.yaml"
            yield verdict_path(environment, model, rollout_id(environment, document))
            for reference in filter(None, (document.run, document.baseline)):
                experiment, _, short = reference.partition("/")
                yield f"experiments/{experiment}/runs/{short}.yaml"
            folder = rollouts_folder(environment, model)
            yield from (p for p in self.faults if p.startswith(folder))
        elif isinstance(document, Experiment):
            yield f"environments/{document.environment}/environment.yaml"
            if self._held_receipts:
                for short in self._shorts(document):
                    yield self._held_receipts.get(short, "")

    def _shorts(self, experiment: Experiment) -> list[str]:
        """Short identities of what an experiment has asked for, as far as they are known."""
        data = data_identity(experiment)
        if data[:SHORT] in self._held_receipts:
            return [data[:SHORT]]
        prepared = self.whole.data.get(data)
        if prepared is None or prepared.data is None:
            return [data[:SHORT]]
        # Which of the two it is depends on receipts, and one of those may be the faulty file.
        anywhere = run_inputs(experiment, prepared.data.sha256)
        here = run_inputs(experiment, prepared.data.sha256, environment=experiment.environment)
        runs = [run_identity(inputs)[:SHORT] for inputs in (anywhere, here)]
        return [data[:SHORT], *runs]

    def _kept(self, here: set[str]) -> set[str]:
        """Files of overlays that may be those of a held experiment: its Job may run."""
        held = [p for p in {*self.faults, *self.waiting} if _may_be_an_experiment(p)]
        names, shorts, any_data = set(), set(self._held_receipts), False
        for path in held:
            names.add(path.split("/")[1])
            document = self._readable(path)
            if isinstance(document, Experiment):
                shorts |= set(self._shorts(document))
            else:
                any_data = True
        return {
            path
            for path in here
            if (name_of(path) in names or short_of(path) in shorts)
            or (any_data and name_of(path) == "data" and not self._is_prepared(short_of(path)))
        }

    def _is_prepared(self, short: str) -> bool:
        return self.snapshot.data.has(short)

    def _readable(self, path: str) -> Document | None:
        try:
            return self.whole.document(path)
        except InvalidDocumentsError:
            return None

    def _concerns(self, path: str, environment: str) -> bool:
        parts = path.split("/")
        if parts[0] == "environments" and len(parts) > 2:
            return parts[1] == environment
        document = self._readable(path)
        return not isinstance(document, Experiment | Run | DataVersion) or (
            document.environment == environment
            or f"environments/{document.environment}/environment.yaml" not in self.whole.files
        )


def is_of_a_job(path: str, environment: str) -> bool:
    """Whether a file is part of the overlay of a Job in this environment."""
    parts = path.split("/", 4)
    return len(parts) > 4 and parts[:3] == ["environments", environment, "training"]


def short_of(path: str) -> str:
    """Short identity of what the overlay of a Job makes; empty for a folder that no renderer names so."""
    folder = job_folder(path.rpartition("/")[0])
    return folder.short if folder else ""


def name_of(path: str) -> str:
    """What the folder of a Job's overlay begins with: the experiment, or `data`."""
    folder = job_folder(path.rpartition("/")[0])
    return folder.maker if folder else ""


def way_out(path: str) -> str:
    """How a person gets rid of a faulty file."""
    if is_listed(path) and not path.startswith("environments/"):
        return f"or take it out with `ml-pipeline withdraw {path}`"
    return f"or revert its commit, `git log -1 -- {path}`"


def _hold(path: str, faults: list[Fault], dependents: Counter[str]) -> Hold:
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    counts = [f"{n} {kind}{'s' if n > 1 else ''}" for kind, n in sorted(dependents.items())]
    waits = f"; {' and '.join(counts)} cannot go on without it" if counts else ""
    return Hold(path, f"{faults[0]}{more}, {way_out(path)}{waits}")


def _may_be_an_experiment(path: str) -> bool:
    """Whether it is one, or lies in place of its folder, as a link does."""
    return kind_of(path) is Experiment or (path.startswith("experiments/") and path.count("/") == 1)


def _is_rollout(path: str) -> bool:
    parts = path.split("/")
    return len(parts) == 5 and parts[0] == "environments" and parts[2] == "rollouts"
