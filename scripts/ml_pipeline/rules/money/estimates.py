"""How long a run will take and what it will cost, from the receipts of like runs.

Like runs train the same architecture on the same data with as many workers; those with the same
width, batch size and machine count alone where there are three of them. Durations follow the
epochs: a straight line where runs with different epochs are known, in proportion where not. The
spread is that of the logarithms, with a prior of 25 % that weighs as two runs.
"""

import math
import re
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import nlargest
from operator import mul

from ml_pipeline.documents.experiment import Experiment, Parameters
from ml_pipeline.documents.faults import InvalidDocumentsError
from ml_pipeline.documents.fields import seconds
from ml_pipeline.documents.receipts import Estimated, Run
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.identity.hashes import data_identity
from ml_pipeline.rules.money.prices import hourly, is_spot, pool_for

ENOUGH = 3
_NEWEST = 50  # of like runs, as machines and code change
_PRIOR_SPREAD, _PRIOR_WEIGHT = 0.25, 2
_Z90 = statistics.NormalDist().inv_cdf(0.9)
# Two lines of a receipt, which a machine writes, decide whether it is worth reading: one among
# thousands takes microseconds.
_DATA = re.compile(rb"^  data: '?([0-9a-f]{64})", re.MULTILINE)
_STARTED = re.compile(rb"^started: '?([0-9TZ:-]{20})", re.MULTILINE)


@dataclass(frozen=True)
class Estimate:
    """Seconds from start to end, median and 90th percentile, and of waiting before.

    `runs` is the number of like runs that it rests on, 0 where none is known.
    """

    runs: int
    p50_s: float
    p90_s: float
    queued_s: float = 0.0


@dataclass(frozen=True)
class Price:
    """What a run is expected to cost, in `currency` on `pool`.

    `spot` is the median on spot nodes, None where there are none.
    """

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
    """The receipts of one snapshot, found by the data that they trained on.

    One that cannot be read tells nothing.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._index: dict[bytes, list[tuple[bytes, str]]] | None = None

    def after(self, snapshot: Snapshot, paths: Iterable[str]) -> "History":
        """The history once these receipts are written."""
        after = History(snapshot)
        # The same index, not a copy: the history before is not asked any more.
        after._index = self._by_data
        for path in paths:
            after._add(path)
        return after

    def like(self, experiment: Experiment) -> list[Run]:
        """Succeeded runs that an estimate can rest on, the newest first."""
        sha256 = self._trained_on(experiment)
        known = self._by_data.get(sha256.encode(), ())
        alike: list[Run] = []
        for _, path in nlargest(_NEWEST, known):
            run = self._run(path)
            if run and run.outcome == "succeeded" and _is_alike(run, experiment):
                alike.append(run)
        same = [run for run in alike if _is_same(run, experiment)]
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
            document = self._snapshot.document(path)
        except InvalidDocumentsError:
            return None
        return document if isinstance(document, Run) else None

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
    """What a run of an experiment will cost; None where no pool of its environment holds it."""
    environment = snapshot.environments.get(experiment.environment)
    pool = pool_for(experiment, environment) if environment else None
    if environment is None or pool is None:
        return None
    estimate = estimated(history.like(experiment), experiment)
    rate = hourly(experiment, pool, spot=is_spot(experiment))
    hours = estimate.p50_s / 3600
    has_spot = pool.spot_price_per_hour is not None
    return Price(
        estimate=estimate,
        pool=pool.name,
        currency=environment.budget.currency,
        p50=rate * hours,
        p90=rate * estimate.p90_s / 3600,
        on_demand=hourly(experiment, pool, spot=False) * hours,
        spot=hourly(experiment, pool, spot=True) * hours if has_spot else None,
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
    squares = []
    for epoch, duration in zip(epochs, durations, strict=True):
        error = math.log(duration / _predicted(start, step, epoch))
        squares.append(error * error)
    # The line has taken as many degrees of freedom as it has parameters.
    freedom = max(len(known) - (1 if len(set(epochs)) == 1 else 2), 0)
    variance = _PRIOR_WEIGHT * _PRIOR_SPREAD**2 + math.fsum(squares)
    spread = math.sqrt(variance / (_PRIOR_WEIGHT + freedom))
    # The next run strays from the line, and the line itself from the truth.
    high = middle * math.exp(_Z90 * spread * math.sqrt(1 + 1 / len(known)))
    queued = statistics.median(run.queued_s for run in known)
    return Estimate(len(known), min(middle, longest), min(high, longest), queued)


def _line(epochs: list[int], durations: list[float]) -> tuple[float, float]:
    """Seconds before the first epoch and for each, neither below zero: least relative squares."""
    if len(set(epochs)) == 1:
        return 0.0, statistics.median(durations) / epochs[0]
    # An error of a tenth counts alike in a minute and in a day.
    weights = [1 / duration**2 for duration in durations]
    total = math.fsum(weights)
    mean_x = math.fsum(map(mul, weights, epochs)) / total
    mean_y = math.fsum(map(mul, weights, durations)) / total
    spreads: list[float] = []
    products: list[float] = []
    for weight, x, y in zip(weights, epochs, durations, strict=True):
        spreads.append(weight * (x - mean_x) ** 2)
        products.append(weight * (x - mean_x) * (y - mean_y))
    slope = math.fsum(products) / math.fsum(spreads)
    if slope <= 0:
        return mean_y, 0.0
    start = mean_y - slope * mean_x
    return (start, slope) if start >= 0 else (0.0, mean_y / mean_x)


def _predicted(start: float, step: float, epochs: int) -> float:
    return max(start + step * epochs, 0.001)


def _is_alike(run: Run, experiment: Experiment) -> bool:
    """Whether a run did the same kind of work, in a time that can be computed with."""
    # Squares and logarithms of other durations leave the range of numbers.
    if not 0.001 <= run.duration_s <= 1e9:
        return False
    decided = run.decided_by
    return decided.model_type == experiment.model.type and decided.topology == experiment.topology


def _is_same(run: Run, experiment: Experiment) -> bool:
    """Whether an alike run had the same size too, as far as its receipt says."""
    if _shape(experiment.parameters) != _shape(run.decided_by.parameters):
        return False
    if run.held is None:
        return True
    asked = experiment.resources
    return (run.held.cpu, run.held.gpus) == (asked.cpu, asked.gpus)


def _shape(parameters: Parameters) -> tuple[int, int, str]:
    return parameters.hidden, parameters.batch_size, parameters.precision
