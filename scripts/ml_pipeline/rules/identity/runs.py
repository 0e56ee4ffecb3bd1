"""Runs as people ask for them: one by its name, several by a pattern, all of them as a list."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from itertools import chain
from operator import itemgetter

from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.faults import InvalidDocumentsError, PipelineError
from ml_pipeline.documents.receipts import Run
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.layout import SHORT, reference_of
from ml_pipeline.rules.identity.awaited import awaited_identity, run_identity_of
from ml_pipeline.rules.identity.hashes import data_identity

PENDING, SUCCEEDED, FAILED = "pending", "succeeded", "failed"
OUTCOMES = (SUCCEEDED, FAILED, PENDING)
_GLOB = frozenset("*?[")
_MOST_NAMED = 10


@dataclass(frozen=True)
class RunRecord:
    """A run, settled or awaited.

    `run` is what other commands take; None is unknown, or not there yet.
    """

    run: str
    experiment: str
    model: str
    environment: str
    owner: str | None
    outcome: str
    reason: str | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    gates: dict[str, bool] = field(default_factory=dict)
    started: str | None = None
    age_s: float | None = None
    """Seconds since it ended."""
    duration_s: float | None = None
    cost: float | None = None
    currency: str | None = None


@dataclass(frozen=True)
class Wanted:
    """Which runs to list: patterns of names, how long ago one may have ended, order and number."""

    experiment: str = "*"
    model: str = "*"
    owner: str = "*"
    outcome: str = "*"
    since_s: float = math.inf
    sort: str = "age"
    reverse: bool = False
    limit: int | None = None

    def holds(self, record: RunRecord) -> bool:
        """Whether the record is one of them; one whose age nobody knows is not left out for it."""
        return (
            fnmatchcase(record.model, self.model)
            and fnmatchcase(record.owner or "", self.owner)
            and fnmatchcase(record.outcome, self.outcome)
            and (record.age_s is None or record.age_s <= self.since_s)
        )


@dataclass(frozen=True)
class RunList:
    """Records, and a line for each document that could not be read."""

    records: tuple[RunRecord, ...]
    problems: tuple[str, ...]


def find_run(snapshot: Snapshot, reference: str) -> Run:
    """The receipt that `experiment/id` names, or the newest succeeded one of an experiment.

    Raises:
        PipelineError: there is none.
    """
    if reference in snapshot.runs_by_reference:
        return snapshot.runs_by_reference[reference]
    mine = _runs_of(snapshot, reference)
    succeeded = [run for run in mine if run.outcome == SUCCEEDED]
    if succeeded:
        return max(succeeded, key=_start)
    known = _named(_references(snapshot, SUCCEEDED))
    if mine:
        last = max(mine, key=_start)
        why = (last.reason or "for no known reason").splitlines()[0][:200]
        text = f"has no run that succeeded, its newest failed: {why}; known are: {known}"
        raise PipelineError(f"{reference!r} {text}")
    raise _unknown(repr(reference), known)


def matching_runs(snapshot: Snapshot, patterns: Iterable[str]) -> list[Run]:
    """Receipts by `experiment/id`, or an experiment for its newest run, or patterns of either.

    Each stands there once, in the order of the patterns.

    Raises:
        PipelineError: nothing has some of these names; all of them are in the text.
    """
    runs: dict[str, Run] = {}
    unknown = []
    for pattern in patterns:
        matching = {run.reference: run for run in _matching(snapshot, pattern)}
        if not matching:
            unknown.append(repr(pattern))
        runs |= matching
    if unknown:
        raise _unknown(", ".join(unknown), _named(sorted(snapshot.runs_by_reference)))
    return list(runs.values())


def list_runs(snapshot: Snapshot, wanted: Wanted, now: float) -> RunList:
    """Every run with a receipt, and what experiments wait for.

    A document that cannot be read takes nothing from the others. `now` is in seconds since the
    epoch. The limit is left to whoever shows them.
    """
    listing = _Listing(snapshot, wanted, now)
    records = [record for record in listing.records() if wanted.holds(record)]
    rows = ordered(records, wanted.sort, reverse=wanted.reverse)
    return RunList(tuple(rows), tuple(dict.fromkeys(listing.problems)))


def ordered(
    records: Iterable[RunRecord], by: str = "age", *, reverse: bool = False
) -> list[RunRecord]:
    """By age, the newest first; by cost, duration or a metric, the most first.

    What has no value stands last, either way.

    Raises:
        PipelineError: no run has such a metric.
    """
    rows = list(records)
    known = set(chain.from_iterable(record.metrics for record in rows))
    if rows and by not in ("age", "cost", "duration") and by not in known:
        names = _named(["age", "cost", "duration", *sorted(known)])
        raise PipelineError(f"no run has the metric {by!r}; sort by one of {names}")
    valued: list[tuple[float, RunRecord]] = []
    awaited: list[RunRecord] = []
    rest: list[RunRecord] = []
    # Nothing is newer than what is still awaited.
    awaited_first = by == "age" and not reverse
    for record in rows:
        value = _value(record, by)
        if value is not None:
            valued.append((value, record))
        elif awaited_first and record.outcome == PENDING:
            awaited.append(record)
        else:
            rest.append(record)
    valued.sort(key=itemgetter(0), reverse=(by != "age") != reverse)
    return [*awaited, *map(itemgetter(1), valued), *rest]


def record_of(run: Run, now: float, owner: str | None = None) -> RunRecord:
    """What the receipt of a run says; `now` is in seconds since the epoch."""
    begun = _seconds(run.started)
    end = None if begun is None else begun + run.duration_s
    return RunRecord(
        run=run.reference,
        experiment=run.experiment,
        model=run.model,
        environment=run.environment,
        owner=owner,
        outcome=run.outcome,
        reason=run.reason,
        metrics=dict(run.metrics),
        gates={gate.name: gate.passed for gate in run.gates},
        started=run.started,
        age_s=None if end is None else round(max(0.0, now - end), 1),
        duration_s=run.duration_s if run.started else None,
        cost=run.cost.amount if run.cost else None,
        currency=run.cost.currency if run.cost else None,
    )


class _Listing:
    """One pass over receipts and experiments; `problems` are the faults of unreadable ones."""

    def __init__(self, snapshot: Snapshot, wanted: Wanted, now: float) -> None:
        self.snapshot, self.wanted, self.now = snapshot, wanted, now
        self.problems: list[str] = []
        self._experiments: dict[str, Experiment | None] = {}

    def records(self) -> Iterator[RunRecord]:
        for reference in self.snapshot.runs_by_reference:
            # By the name in the path, so that a run that is not asked for is not even read.
            if fnmatchcase(reference_of(reference).experiment, self.wanted.experiment):
                try:
                    run = self.snapshot.runs_by_reference[reference]
                except InvalidDocumentsError as error:
                    self.problems += map(str, error.faults)
                    continue
                experiment = self._experiment(run.experiment)
                yield record_of(run, self.now, experiment.owner if experiment else None)
        for name in self.snapshot.experiments:
            if fnmatchcase(name, self.wanted.experiment):
                record = self._awaited(name)
                if record:
                    yield record

    def _awaited(self, name: str) -> RunRecord | None:
        """What an experiment waits for, or that its data failed; None where its run is settled."""
        experiment = self._experiment(name)
        if experiment is None:
            return None
        try:
            short, outcome, reason = self._stage(experiment)
        except InvalidDocumentsError as error:
            self.problems += map(str, error.faults)
            return None
        if not outcome:
            return None
        return RunRecord(
            run=f"{name}/{short}" if short else name,
            experiment=name,
            model=experiment.model.name,
            environment=experiment.environment,
            owner=experiment.owner,
            outcome=outcome,
            reason=reason,
        )

    def _stage(self, experiment: Experiment) -> tuple[str, str, str]:
        """Id of the run where it is known, outcome (empty where it is settled) and reason."""
        data = self.snapshot.data.get(data_identity(experiment))
        if data and data.data is None:
            return "", FAILED, f"its data could not be prepared: {data.reason}"
        if awaited_identity(self.snapshot, experiment) is None:
            return "", "", ""
        run = run_identity_of(self.snapshot, experiment)
        if run is None:
            return "", PENDING, "waits for its data"
        return run[:SHORT], PENDING, "is to be trained"

    def _experiment(self, name: str) -> Experiment | None:
        if name not in self._experiments:
            try:
                self._experiments[name] = self.snapshot.experiments.get(name)
            except InvalidDocumentsError as error:
                self.problems += map(str, error.faults)
                self._experiments[name] = None
        return self._experiments[name]


def _matching(snapshot: Snapshot, pattern: str) -> Iterator[Run]:
    if pattern in snapshot.runs_by_reference:
        yield snapshot.runs_by_reference[pattern]
        return
    if "/" in pattern:
        asked = reference_of(pattern)
        for reference in snapshot.runs_by_reference:
            run = reference_of(reference)
            if fnmatchcase(run.experiment, asked.experiment) and fnmatchcase(run.id, asked.id):
                yield snapshot.runs_by_reference[reference]
        return
    for name in _experiments(snapshot, pattern):
        runs = _runs_of(snapshot, name) if fnmatchcase(name, pattern) else []
        if runs:
            yield max(runs, key=lambda run: (run.outcome == SUCCEEDED, _start(run)))


def _experiments(snapshot: Snapshot, pattern: str) -> Iterable[str]:
    """The experiments that a pattern may mean, each once, in the order of their runs."""
    if _GLOB.isdisjoint(pattern):
        return [pattern]
    return dict.fromkeys(reference_of(name).experiment for name in snapshot.runs_by_reference)


def _runs_of(snapshot: Snapshot, experiment: str) -> list[Run]:
    runs = snapshot.runs_by_reference
    return [runs[name] for name in runs if reference_of(name).experiment == experiment]


def _references(snapshot: Snapshot, outcome: str) -> list[str]:
    runs = snapshot.runs_by_reference
    return sorted(reference for reference, run in runs.items() if run.outcome == outcome)


def _unknown(names: str, known: str) -> PipelineError:
    text = f"has no receipt of a run; wait for it to finish, known are: {known}"
    return PipelineError(f"{names} {text}")


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more or "none"


def _value(record: RunRecord, by: str) -> float | None:
    own = {"age": record.age_s, "cost": record.cost, "duration": record.duration_s}
    value = own[by] if by in own else record.metrics.get(by)
    return None if value is None or math.isnan(value) else value


def _start(run: Run) -> str:
    return run.started or ""


def _seconds(timestamp: str | None) -> float | None:
    """Seconds since the epoch; None where there is no time, or none that the calendar has."""
    try:
        return datetime.fromisoformat((timestamp or "").replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None
