"""What runs and served models cost: the dearest share of a node, times its price and the time."""

import math
from dataclasses import dataclass

from ml_pipeline.documents.environment import Environment, Pool
from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.fields import cpu_cores, memory_bytes
from ml_pipeline.documents.promotion import Promotion
from ml_pipeline.documents.receipts import Cost

HOURS_A_MONTH = 730  # 365 days / 12


@dataclass(frozen=True)
class Wanted:
    """What one pod holds: cores, bytes, and GPUs counted in whole ones, a quarter as 0.25."""

    cores: float
    memory: int
    gpus: float = 0.0


def wanted(experiment: Experiment, pool: Pool) -> Wanted:
    """What one pod of a run holds of a node; the pool says how large shares and slices are."""
    resources = experiment.resources
    parts = 1
    if "gpu-shared" in experiment.options:
        parts = pool.gpu_shares
    elif "gpu-mig" in experiment.options:
        parts = pool.gpu_slices
    return Wanted(cpu_cores(resources.cpu), memory_bytes(resources.memory), resources.gpus / parts)


def share_of(held: Wanted, pool: Pool) -> float:
    """Largest fraction of any resource of one node; more than 1 does not fit."""
    gpus = 0.0
    if held.gpus:
        gpus = held.gpus / pool.gpus if pool.gpus else math.inf
    return max(held.cores / cpu_cores(pool.cpu), held.memory / memory_bytes(pool.memory), gpus)


def node_share(experiment: Experiment, pool: Pool) -> float:
    """Largest fraction of any resource of one node that a pod takes; more than 1 does not fit."""
    return share_of(wanted(experiment, pool), pool)


def pool_for(experiment: Experiment, environment: Environment) -> Pool | None:
    """Cheapest pool whose nodes hold the run, None where none does."""
    spot = is_spot(experiment)

    def cost(pool: Pool) -> tuple[float, str]:
        # By name where two cost the same, so that the answer does not hang on their order.
        return node_share(experiment, pool) * price(pool, spot=spot), pool.name

    fitting = [pool for pool in environment.pools if node_share(experiment, pool) <= 1]
    return min(fitting, key=cost, default=None)


def is_spot(experiment: Experiment) -> bool:
    """Whether the run takes nodes that can vanish."""
    return "spot" in experiment.options


def price(pool: Pool, *, spot: bool) -> float:
    """Price of one node for an hour; on demand where the pool has no spot nodes."""
    if spot and pool.spot_price_per_hour is not None:
        return pool.spot_price_per_hour
    return pool.price_per_hour


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
    if pool is None:
        return 0.0
    return wanted(experiment, pool).gpus * experiment.topology.workers * seconds / 3600


def month_cost(promotion: Promotion, environment: Environment, predictors: int) -> float:
    """What so many predictors cost in a month, on the cheapest pool that holds one."""
    held = Wanted(cpu_cores(promotion.resources.cpu), memory_bytes(promotion.resources.memory))
    rates = []
    for pool in environment.pools:
        share = share_of(held, pool)
        if share <= 1:
            rates.append(share * pool.price_per_hour)
    return round(min(rates, default=0.0) * predictors * HOURS_A_MONTH, 2)


def money(amount: float) -> str:
    """An amount as people read it: cents, and more digits only where cents say nothing."""
    return f"{amount:.2f}" if amount >= 0.1 or amount < 0.00005 else f"{amount:.4f}"


def duration(seconds: float) -> str:
    """Seconds as people say them: `45 s`, `12 min`, `3.5 h`, `4.0 d`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    if seconds < 3 * 86400:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} d"
