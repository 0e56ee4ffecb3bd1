"""What runs and served models cost: the dearest share of a node that they hold, times the node's price, times the time."""

from dataclasses import dataclass

from ml_pipeline.documents.environment import Environment, Pool
from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.fields import cpu_cores, memory_bytes
from ml_pipeline.documents.promotion import Promotion
from ml_pipeline.documents.receipts import Cost

HOURS_A_MONTH = 730  # 365 days / 12


@dataclass(frozen=True)
class Wanted:
    """What one pod holds: cores, bytes, and GPUs counted in whole ones, so that a quarter of one is 0.25."""

    cores: float
    memory: int
    gpus: float = 0.0


def wanted(experiment: Experiment, pool: Pool) -> Wanted:
    """What one pod of a run holds of a node of a pool; shares and slices are as large as the pool makes them."""
    resources = experiment.resources
    parts = (
        pool.gpu_shares
        if "gpu-shared" in experiment.options
        else pool.gpu_slices
        if "gpu-mig" in experiment.options
        else 1
    )
    return Wanted(cpu_cores(resources.cpu), memory_bytes(resources.memory), resources.gpus / parts)


def share_of(held: Wanted, pool: Pool) -> float:
    """Largest fraction of any resource of one node; more than 1 does not fit."""
    gpus = held.gpus / pool.gpus if pool.gpus else float("inf") if held.gpus else 0.0
    return max(held.cores / cpu_cores(pool.cpu), held.memory / memory_bytes(pool.memory), gpus)


def node_share(experiment: Experiment, pool: Pool) -> float:
    """Largest fraction of any resource of one node that one pod of the run takes; more than 1 does not fit."""
    return share_of(wanted(experiment, pool), pool)


def pool_for(experiment: Experiment, environment: Environment) -> Pool | None:
    """Cheapest pool whose nodes hold the run, None where none does."""
    fitting = [pool for pool in environment.pools if node_share(experiment, pool) <= 1]
    return min(
        fitting,
        key=lambda pool: (
            node_share(experiment, pool) * price(pool, spot=is_spot(experiment)),
            pool.name,
        ),
        default=None,
    )


def is_spot(experiment: Experiment) -> bool:
    """Whether the run takes nodes that can vanish."""
    return "spot" in experiment.options


def price(pool: Pool, *, spot: bool) -> float:
    """Price of one node for an hour; on demand where the pool has no spot nodes."""
    return (
        pool.spot_price_per_hour
        if spot and pool.spot_price_per_hour is not None
        else pool.price_per_hour
    )


def hourly(experiment: Experiment, pool: Pool, *, spot: bool) -> float:
    """What a run costs in an hour, all its workers together."""
    return node_share(experiment, pool) * price(pool, spot=spot) * experiment.topology.workers


def run_cost(experiment: Experiment, environment: Environment, seconds: float) -> Cost | None:
    """Cost of a run of that many seconds, None where no pool holds it."""
    pool = pool_for(experiment, environment)
    if pool is None:
        return None
    amount = hourly(experiment, pool, spot=is_spot(experiment)) * seconds / 3600
    return Cost(amount=round(amount, 6), currency=environment.budget.currency, pool=pool.name)


def gpu_hours(experiment: Experiment, environment: Environment, seconds: float) -> float:
    """Whole-GPU hours that a run of that many seconds holds, all its workers together."""
    pool = pool_for(experiment, environment)
    return (
        0.0
        if pool is None
        else wanted(experiment, pool).gpus * experiment.topology.workers * seconds / 3600
    )


def month_cost(promotion: Promotion, environment: Environment, predictors: int) -> float:
    """What a served model costs in a month, with that many predictors, on the cheapest pool that holds one."""
    held = Wanted(cpu_cores(promotion.resources.cpu), memory_bytes(promotion.resources.memory))
    rates = [
        share_of(held, pool) * pool.price_per_hour
        for pool in environment.pools
        if share_of(held, pool) <= 1
    ]
    return round(min(rates, default=0.0) * predictors * HOURS_A_MONTH, 2)


def money(amount: float) -> str:
    """An amount as people read it: cents, and more digits only where cents say nothing."""
    return f"{amount:.2f}" if amount >= 0.1 or amount < 0.00005 else f"{amount:.4f}"


def duration(seconds: float) -> str:
    """Seconds as people say them: `45 s`, `12 min`, `3.5 h`, `4.0 d`."""
    for unit, length, limit, digits in (
        ("s", 1, 100, 0),
        ("min", 60, 6000, 0),
        ("h", 3600, 3 * 86400, 1),
    ):
        if seconds < limit:
            return f"{seconds / length:.{digits}f} {unit}"
    return f"{seconds / 86400:.1f} d"
