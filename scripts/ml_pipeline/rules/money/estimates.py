"""How long a run will take and what it will cost, from the receipts of like runs.

Like runs train the same architecture on the same data with as many workers; those with the same width, batch size and machine
count alone where there are three of them. Durations follow the epochs: a straight line where runs with different epochs are
known, in proportion where not. The spread is that of the logarithms, with a prior of 25 % that weighs as two runs.
"""

import math
import re
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import nlargest

from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.faults import InvalidDocumentsError
from ml_pipeline.documents.fields import seconds
from ml_pipeline.documents.receipts import Estimated, Run
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.identity.hashes import data_identity
from ml_pipeline.rules.money.prices import hourly, is_spot, pool_for

ENOUGH = 3
_NEWEST = 50
_PRIOR_SPREAD, _PRIOR_WEIGHT = 0.25, 2
_Z90 = statistics.NormalDist().inv_cdf(0.9)
# Two lines of a receipt, which a machine writes, decide whether it is worth reading: one among thousands takes microseconds.
_DATA, _STARTED = (
    re.compile(rb"^  data: '?([0-9a-f]{64})", re.MULTILINE),
    re.compile(rb"^started: '?([0-9TZ:-]{20})", re.MULTILINE),
)


@dataclass(frozen=True)
class Estimate:
    """Seconds from start to end, median and 90th percentile, and of waiting before; from how many like runs, 0 where none is known."""

    runs: int
    p50_s: float
    p90_s: float
    queued_s: float = 0.0


@dataclass(frozen=True)
class Price:
    """What a run is expected to cost, in `currency` on `pool`. `spot` is the median on spot nodes, None where there are none."""

    estimate: Estimate
    pool: str
    currency: str
    p50: float
    p90: float
    on_demand: float
    spot: float | None

    def as_receipt(self) -> Estimated:
        """What the receipt keeps, to be compared with what it was in the end."""
        return Estimated(
            runs=self.estimate.runs,
            p50_s=round(self.estimate.p50_s, 1),
            p90_s=round(self.estimate.p90_s, 1),
            p50=round(self.p50, 6),
            p90=round(self.p90, 6),
        )


class History:
    """The receipts of one snapshot, found by the data that they trained on. One that cannot be read tells nothing."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._index: dict[bytes, list[tuple[bytes, str]]] | None = None

    def after(self, snapshot: Snapshot, paths: Iterable[str]) -> "History":
        """The history once these receipts are written. It takes this one's index along: this one is not asked any more."""
        found = History(snapshot)
        found._index = self._by_data
        for path in paths:
            found._add(path)
        return found

    def like(self, experiment: Experiment) -> list[Run]:
        """Succeeded runs that an estimate can rest on, the newest first."""
        sha256 = self._trained_on(experiment)
        known = self._by_data.get(sha256.encode(), ())
        runs = [run for _, path in nlargest(_NEWEST, known) if (run := self._run(path))]
        alike = [
            run
            for run in runs
            if run.outcome == "succeeded" and _plausible(run.duration_s) and _alike(run, experiment)
        ]
        same = [run for run in alike if _same(run, experiment)]
        return same if len(same) >= ENOUGH else alike

    def _trained_on(self, experiment: Experiment) -> str:
        """Digest of the data of an experiment, empty while it is not known."""
        try:
            receipt = self._snapshot.data.get(data_identity(experiment))
        except InvalidDocumentsError:
            return ""
        return receipt.data.sha256 if receipt and receipt.data else ""

    def _run(self, path: str) -> Run | None:
        try:
            found = self._snapshot.document(path)
        except InvalidDocumentsError:
            return None
        return found if isinstance(found, Run) else None

    @property
    def _by_data(self) -> dict[bytes, list[tuple[bytes, str]]]:
        """When each run started, and its receipt's path, by the data that it trained on."""
        if self._index is None:
            self._index = {}
            for path in self._snapshot.paths.get(Run, ()):
                self._add(path)
        return self._index

    def _add(self, path: str) -> None:
        raw = self._snapshot.files[path]
        data, started = _DATA.search(raw), _STARTED.search(raw)
        if data and started and self._index is not None:
            self._index.setdefault(data[1], []).append((started[1], path))


def priced(snapshot: Snapshot, history: History, experiment: Experiment) -> Price | None:
    """What a run of an experiment will cost; None where no pool of its environment holds it, or there is no such environment."""
    environment = snapshot.environments.get(experiment.environment)
    pool = pool_for(experiment, environment) if environment else None
    if environment is None or pool is None:
        return None
    found = estimated(history.like(experiment), experiment)
    rate, on_demand = (
        hourly(experiment, pool, spot=is_spot(experiment)),
        hourly(experiment, pool, spot=False),
    )
    spot = hourly(experiment, pool, spot=True) if pool.spot_price_per_hour is not None else None
    hours = found.p50_s / 3600
    return Price(
        estimate=found,
        pool=pool.name,
        currency=environment.budget.currency,
        p50=rate * hours,
        p90=rate * found.p90_s / 3600,
        on_demand=on_demand * hours,
        spot=None if spot is None else spot * hours,
    )


def estimated(runs: Iterable[Run], experiment: Experiment) -> Estimate:
    """How long a run takes, from like runs; with none, as long as its budget allows."""
    known, longest = list(runs), float(seconds(experiment.budget.max_duration))
    if not known:
        return Estimate(0, longest, longest)
    epochs = [run.decided_by.parameters.epochs for run in known]
    durations = [run.duration_s for run in known]
    start, step = _line(epochs, durations)
    middle = _predicted(start, step, experiment.parameters.epochs)
    errors = [
        math.log(duration / _predicted(start, step, epoch))
        for epoch, duration in zip(epochs, durations, strict=True)
    ]
    freedom = max(len(known) - (1 if len(set(epochs)) == 1 else 2), 0)
    spread = math.sqrt(
        (_PRIOR_WEIGHT * _PRIOR_SPREAD**2 + math.fsum(e * e for e in errors))
        / (_PRIOR_WEIGHT + freedom)
    )
    high = middle * math.exp(_Z90 * spread * math.sqrt(1 + 1 / len(known)))
    return Estimate(
        len(known),
        min(middle, longest),
        min(high, longest),
        statistics.median(run.queued_s for run in known),
    )


def _line(epochs: list[int], durations: list[float]) -> tuple[float, float]:
    """Seconds before the first epoch and for each: least squares of relative errors, neither below zero."""
    if len(set(epochs)) == 1:
        return 0.0, statistics.median(durations) / epochs[0]
    weights = [1 / duration**2 for duration in durations]
    total = math.fsum(weights)
    mean_x = math.fsum(w * x for w, x in zip(weights, epochs, strict=True)) / total
    mean_y = math.fsum(w * y for w, y in zip(weights, durations, strict=True)) / total
    spread = math.fsum(w * (x - mean_x) ** 2 for w, x in zip(weights, epochs, strict=True))
    slope = (
        math.fsum(
            w * (x - mean_x) * (y - mean_y)
            for w, x, y in zip(weights, epochs, durations, strict=True)
        )
        / spread
    )
    if slope <= 0:
        return mean_y, 0.0
    start = mean_y - slope * mean_x
    return (start, slope) if start >= 0 else (0.0, mean_y / mean_x)


def _predicted(start: float, step: float, epochs: int) -> float:
    return max(start + step * epochs, 0.001)


def _plausible(duration: float) -> bool:
    """Whether a duration can be computed with: squares and logarithms of others leave the range of numbers."""
    return 0.001 <= duration <= 1e9


def _alike(run: Run, experiment: Experiment) -> bool:
    decided = run.decided_by
    return decided.model_type == experiment.model.type and decided.topology == experiment.topology


def _same(run: Run, experiment: Experiment) -> bool:
    mine, its = experiment.parameters, run.decided_by.parameters
    shape = (mine.hidden, mine.batch_size, mine.precision) == (
        its.hidden,
        its.batch_size,
        its.precision,
    )
    return shape and (
        run.held is None
        or (run.held.cpu, run.held.gpus) == (experiment.resources.cpu, experiment.resources.gpus)
    )
