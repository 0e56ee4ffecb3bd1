"""What environments spend in a month, as people and programs read it."""

from collections.abc import Iterator

from ml_pipeline.commands import console
from ml_pipeline.operations.cost import Costs, advice_lines, left
from ml_pipeline.rules.money.budgets import Month, Served
from ml_pipeline.rules.money.estimates import Price
from ml_pipeline.rules.money.prices import duration, money

_HEAD = (
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


def text(costs: Costs) -> str:
    """What waits as a table, then a line for each served model, each budget, each advice."""
    rows = [row for month in costs.months for row in _waiting(month)]
    lines = [console.table([_HEAD, *rows]), ""] if rows else []
    for month in costs.months:
        lines += [_serves(served, month) for served in month.served]
    lines += map(left, costs.months)
    return "\n".join([*lines, *advice_lines(costs.advice)])


def as_data(costs: Costs) -> dict[str, object]:
    """The same, for --output json."""
    return {"environments": [_month(month) for month in costs.months], "advice": costs.advice}


def _waiting(month: Month) -> Iterator[tuple[str, ...]]:
    for name, price in month.waiting.items():
        expected = price.estimate
        yield (
            name,
            month.environment,
            price.pool,
            duration(expected.p50_s),
            duration(expected.p90_s),
            duration(expected.queued_s),
            money(price.p50),
            money(price.p90),
            money(price.on_demand),
            "-" if price.spot is None else money(price.spot),
            _basis(expected.runs),
        )


def _basis(runs: int) -> str:
    """What an estimate rests on."""
    if not runs:
        return "its budget, no like run is known"
    return f"{runs} like run" if runs == 1 else f"{runs} like runs"


def _serves(served: Served, month: Month) -> str:
    count = served.predictors
    predictors = f"{count} predictors" if count > 1 else f"{count} predictor"
    where = f"{served.model} serves in {month.environment} with {predictors}"
    return f"{where}: {served.month:.2f} {month.currency} a month"


def _month(month: Month) -> dict[str, object]:
    served = {model.model: _served(model) for model in month.served}
    waiting = {name: _price(price) for name, price in month.waiting.items()}
    return {
        "environment": month.environment,
        "month": month.month,
        "currency": month.currency,
        "budget": month.limit,
        "spent": round(month.spent, 4),
        "waiting": waiting,
        "serving": served,
        "left": round(month.left, 2),
    }


def _served(served: Served) -> dict[str, object]:
    return {"predictors": served.predictors, "month": served.month}


def _price(price: Price) -> dict[str, object]:
    # Four digits: a run of a minute costs less than a cent.
    return {
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
