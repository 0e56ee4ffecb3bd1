"""What a run costs: the dearest share of a node that it holds, times the node's price, times the time."""

from ml_pipeline.documents.environment import Environment, Pool
from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.fields import cpu_cores, memory_bytes
from ml_pipeline.documents.receipts import Cost


def node_share(experiment: Experiment, pool: Pool) -> float:
    """Largest fraction of any resource of one node that one pod of the run takes; more than 1 does not fit."""
    wanted = experiment.resources
    shares = [
        cpu_cores(wanted.cpu) / cpu_cores(pool.cpu),
        memory_bytes(wanted.memory) / memory_bytes(pool.memory),
        wanted.gpus / pool.gpus if pool.gpus else float("inf") if wanted.gpus else 0.0,
    ]
    return max(shares)


def pool_for(experiment: Experiment, environment: Environment) -> Pool | None:
    """Cheapest pool whose nodes hold the run, None where none does."""
    fitting = [pool for pool in environment.pools if node_share(experiment, pool) <= 1]
    return min(fitting, key=lambda pool: (node_share(experiment, pool) * _price(experiment, pool), pool.name), default=None)


def run_cost(experiment: Experiment, environment: Environment, seconds: float) -> Cost | None:
    """Cost of a run of that many seconds, None where no pool holds it."""
    pool = pool_for(experiment, environment)
    if pool is None:
        return None
    per_hour = node_share(experiment, pool) * _price(experiment, pool) * experiment.topology.workers
    return Cost(amount=round(per_hour * seconds / 3600, 6), currency=environment.budget.currency, pool=pool.name)


def _price(experiment: Experiment, pool: Pool) -> float:
    if "spot" in experiment.options and pool.spot_price_per_hour is not None:
        return pool.spot_price_per_hour
    return pool.price_per_hour
