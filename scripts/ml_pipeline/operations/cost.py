"""What waits, what serves, what is left of each budget, and how good the estimates have been."""

import os
import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ml_pipeline.adapters.git.working_tree import open_tree
from ml_pipeline.documents.receipts import Run
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.money.budgets import Month, advice, months
from ml_pipeline.rules.money.estimates import ENOUGH, History
from ml_pipeline.rules.review.faults import checked_snapshot

Advice = dict[str, list[str]]
"""What would make runs cheaper, by experiment; one without any is left out."""


@dataclass(frozen=True)
class Costs:
    """What every environment spends in one month, and what would be cheaper."""

    months: tuple[Month, ...]
    advice: Advice

    @property
    def suffice(self) -> bool:
        """Whether every budget does."""
        return all(month.left >= 0 for month in self.months)


@dataclass(frozen=True)
class PastEstimate:
    """What a run was expected to take and to cost, from how many like runs, and what it was."""

    run: str
    runs: int
    p50_s: float
    p90_s: float
    actual_s: float
    p50: float
    actual: float

    @property
    def error(self) -> float:
        """How far the median was off, as a share of what the run took."""
        return round((self.p50_s - self.actual_s) / self.actual_s, 3)


@dataclass(frozen=True)
class Accuracy:
    """How good estimates have been, in the order of runs."""

    estimates: tuple[PastEstimate, ...]

    @cached_property
    def informed(self) -> Sequence[PastEstimate]:
        """Those that rest on enough like runs; of the others only a budget was known, or little."""
        return [past for past in self.estimates if past.runs >= ENOUGH]

    @property
    def median_error(self) -> float:
        """Of the informed ones, whichever way they were off."""
        return statistics.median(abs(past.error) for past in self.informed)

    @property
    def within_p90(self) -> float:
        """Share of the informed ones that took no longer than their 90th percentile."""
        within = sum(past.actual_s <= past.p90_s for past in self.informed)
        return within / len(self.informed)


def months_around(before: Snapshot, after: Snapshot) -> tuple[dict[str, Month], dict[str, Month]]:
    """Every environment in this month, on both sides of a change."""
    month = this_month()
    return months(before, History(before), month), months(after, History(after), month)


def cost(repo: Path) -> Costs:
    """What everything costs in this month.

    Raises:
        InvalidDocumentsError: a document is not valid.
    """
    snapshot = checked_snapshot(open_tree(repo))
    history = History(snapshot)
    spending = tuple(months(snapshot, history, this_month()).values())
    waiting = [name for month in spending for name in month.waiting]
    return Costs(spending, advice_for(snapshot, history, waiting))


def accuracy(repo: Path) -> Accuracy:
    """Estimates beside what it was, of every run that had one and has ended.

    Raises:
        InvalidDocumentsError: a document is not valid.
    """
    runs = checked_snapshot(open_tree(repo)).runs_by_reference
    estimates = []
    for reference in sorted(runs):
        past = _past(reference, runs[reference])
        if past:
            estimates.append(past)
    return Accuracy(tuple(estimates))


def this_month() -> str:
    """The month that counts, UTC.

    SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch/) sets another.
    """
    now = float(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
    return time.strftime("%Y-%m", time.gmtime(now))


def advice_for(snapshot: Snapshot, history: History, names: Iterable[str]) -> Advice:
    """What would make the runs of some experiments cheaper."""
    hints = {}
    for name in names:
        texts = advice(snapshot, history, snapshot.experiments[name])
        if texts:
            hints[name] = texts
    return hints


def advice_lines(hints: Advice) -> list[str]:
    """One line a recommendation."""
    return [f"{name}: {text}" for name, texts in hints.items() for text in texts]


def left(month: Month) -> str:
    """One line: what an environment spends and what is left."""
    parts = f"{month.spent:.2f} spent, {month.awaited:.2f} waiting, {month.serving:.2f} serving"
    rest = f"{month.left:.2f} of {month.limit:g} {month.currency} left"
    return f"{month.environment} in {month.month}: {parts}, {rest}"


def _past(reference: str, run: Run) -> PastEstimate | None:
    """None where the receipt has no estimate, or nothing to hold it against."""
    if not (run.estimate and run.cost and run.duration_s):
        return None
    return PastEstimate(
        run=reference,
        runs=run.estimate.runs,
        p50_s=run.estimate.p50_s,
        p90_s=run.estimate.p90_s,
        actual_s=run.duration_s,
        p50=run.estimate.p50,
        actual=run.cost.amount,
    )
