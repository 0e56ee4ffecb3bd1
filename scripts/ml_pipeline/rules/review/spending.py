"""What a merge does to prices and budgets: from what to what, and for whom."""

from collections.abc import Iterable, Iterator

from ml_pipeline.documents.environment import Environment, Pool
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.layout import environment_of
from ml_pipeline.rules.review.consequence import Consequence


def spending_consequences(
    before: Snapshot, after: Snapshot, paths: Iterable[str]
) -> Iterator[Consequence]:
    """Budgets and prices of the environments that some changed paths describe, on both sides."""
    for path in paths:
        name = environment_of(path)
        if name and path in before.files and path in after.files:
            for text in _changes(before.environments[name], after.environments[name]):
                yield Consequence("budgets", text, path)


def _changes(old: Environment, new: Environment) -> Iterator[str]:
    if old.budget != new.budget:
        was = f"{old.budget.monthly:g} {old.budget.currency}"
        now = f"{new.budget.monthly:g} {new.budget.currency}"
        yield f"changes the budget of {new.name} from {was} to {now} a month"
    currency = new.budget.currency
    pools = {pool.name: pool for pool in old.pools}
    for pool in new.pools:
        last = pools.get(pool.name)
        if last and _price(last) != _price(pool):
            yield (
                f"an hour on the pool {pool.name} costs {_price(pool)} {currency}, "
                f"{_price(last)} before, for what trains and serves in {new.name} from then on"
            )


def _price(pool: Pool) -> str:
    spot = "" if pool.spot_price_per_hour is None else f" (spot {pool.spot_price_per_hour:g})"
    return f"{pool.price_per_hour:g}{spot}"
