"""`ml-pipeline cost`: what waits, what serves, what is left of each budget, and how good the estimates have been."""

import os
import statistics
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ml_pipeline.adapters.git.revisions import open_tree
from ml_pipeline.commands import console
from ml_pipeline.documents.receipts import Run
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.money.budgets import Month, advice, months
from ml_pipeline.rules.money.estimates import ENOUGH, History, Price
from ml_pipeline.rules.money.prices import duration, money
from ml_pipeline.rules.review.faults import checked_snapshot

_SHARE = 4.0  # beyond five times what it took, percent are hard to read


def cost(repo: Path, *, accuracy: bool = False, output: str = "text") -> int:
    """Print what everything costs; 1 where a budget does not suffice. With `accuracy`, estimates beside what it was."""
    snapshot = checked_snapshot(open_tree(repo))
    if accuracy:
        return _accuracy(snapshot, output)
    history = History(snapshot)
    found = months(snapshot, history, this_month())
    names = [name for month in found.values() for name in month.waiting]
    hints = hints_for(snapshot, history, names)
    data = {"environments": [as_data(month) for month in found.values()], "advice": hints}
    console.answer(data, "\n".join([*_lines(found.values()), *advice_lines(hints)]), output)
    return console.FINDINGS if any(month.left < 0 for month in found.values()) else console.OK


def this_month() -> str:
    """The month that counts, UTC; SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch/) sets another."""
    return time.strftime(
        "%Y-%m", time.gmtime(float(os.environ.get("SOURCE_DATE_EPOCH", time.time())))
    )


def basis(price: Price) -> str:
    """What an estimate rests on."""
    runs = price.estimate.runs
    return "its budget, no like run is known" if not runs else f"{runs} like run{'s' * (runs > 1)}"


def as_data(month: Month) -> dict[str, Any]:
    """One environment, for --output json."""
    waiting = {
        name: {
            "runs": price.estimate.runs,
            "p50_s": round(price.estimate.p50_s, 1),
            "p90_s": round(price.estimate.p90_s, 1),
            "queued_s": round(price.estimate.queued_s, 1),
            "pool": price.pool,
            "p50": round(price.p50, 4),
            "p90": round(price.p90, 4),
            "on_demand": round(price.on_demand, 4),
            "spot": None if price.spot is None else round(price.spot, 4),
        }
        for name, price in month.waiting.items()
    }
    served = {
        served.model: {"predictors": served.predictors, "month": served.month}
        for served in month.served
    }
    head = {
        "environment": month.environment,
        "month": month.month,
        "currency": month.currency,
        "budget": month.limit,
    }
    return {
        **head,
        "spent": round(month.spent, 4),
        "waiting": waiting,
        "serving": served,
        "left": round(month.left, 2),
    }


def hints_for(snapshot: Snapshot, history: History, names: Iterable[str]) -> dict[str, list[str]]:
    """Recommendations by experiment, those without any left out."""
    return {
        name: said
        for name in names
        if (said := advice(snapshot, history, snapshot.experiments[name]))
    }


def advice_lines(hints: dict[str, list[str]]) -> list[str]:
    """One line a recommendation."""
    return [f"{name}: {text}" for name, said in hints.items() for text in said]


def _lines(found: Iterable[Month]) -> list[str]:
    rows = [
        (
            "experiment",
            "environment",
            "pool",
            "time p50",
            "p90",
            "wait",
            "cost p50",
            "p90",
            "on demand",
            "spot",
            "from",
        )
    ]
    for month in found:
        for name, price in month.waiting.items():
            expected = price.estimate
            times = (
                duration(expected.p50_s),
                duration(expected.p90_s),
                duration(expected.queued_s),
            )
            spot = "-" if price.spot is None else money(price.spot)
            amounts = (money(price.p50), money(price.p90), money(price.on_demand), spot)
            rows.append((name, month.environment, price.pool, *times, *amounts, basis(price)))
    lines = [console.table(rows), ""] if len(rows) > 1 else []
    for month in found:
        lines += [
            f"{served.model} serves in {month.environment} with {served.predictors} predictor{'s' * (served.predictors > 1)}: "
            f"{served.month:.2f} {month.currency} a month"
            for served in month.served
        ]
    return lines + [left(month) for month in found]


def left(month: Month) -> str:
    """One line: what an environment spends and what is left."""
    parts = f"{month.spent:.2f} spent, {month.awaited:.2f} waiting, {month.serving:.2f} serving"
    return f"{month.environment} in {month.month}: {parts}, {month.left:.2f} of {month.limit:g} {month.currency} left"


def _accuracy(snapshot: Snapshot, output: str) -> int:
    rows: list[dict[str, Any]] = []
    for reference in sorted(snapshot.runs_by_reference):
        run: Run = snapshot.runs_by_reference[reference]
        if run.estimate and run.cost and run.duration_s:
            error = (run.estimate.p50_s - run.duration_s) / run.duration_s
            rows.append(
                {
                    "run": reference,
                    "from": run.estimate.runs,
                    "p50_s": run.estimate.p50_s,
                    "p90_s": run.estimate.p90_s,
                    "actual_s": run.duration_s,
                    "estimate": run.estimate.p50,
                    "actual": run.cost.amount,
                    "error": round(error, 3),
                }
            )
    informed = [row for row in rows if row["from"] >= ENOUGH]
    summary = f"{len(rows)} run{'s' * (len(rows) != 1)} had an estimate, {len(informed)} from {ENOUGH} like runs or more"
    if informed:
        median = statistics.median(abs(row["error"]) for row in informed)
        below = sum(row["actual_s"] <= row["p90_s"] for row in informed) / len(informed)
        summary += (
            f": of these the median error is {median:.0%}, and {below:.0%} took no longer than p90"
        )
    table = [("run", "from", "p50", "p90", "took", "error")]
    table += [
        (
            r["run"],
            str(r["from"]),
            duration(r["p50_s"]),
            duration(r["p90_s"]),
            duration(r["actual_s"]),
            _beside(r["from"], r["error"]),
        )
        for r in rows
    ]
    console.answer(
        {"runs": rows, "summary": summary},
        "\n".join([console.table(table), "", summary] if rows else [summary]),
        output,
    )
    return console.OK


def _beside(runs: int, error: float) -> str:
    """How far an estimate was off: as a share where that says something, and of a run's own budget as what it is."""
    if not runs:
        return "only a budget was known"
    return f"{error:+.0%}" if error <= _SHARE else f"{error + 1:.0f} times as long"
