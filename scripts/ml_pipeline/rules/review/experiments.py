"""What an experiment may ask for where it trains."""

from collections.abc import Iterator

from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.faults import Fault
from ml_pipeline.documents.fields import cpu_cores, memory_bytes, seconds
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.money.prices import node_share, pool_for, run_cost
from ml_pipeline.rules.review.names import known_environments, name_faults

_SHARES_A_GPU = {"gpu-shared", "gpu-mig"}


def experiment_faults(snapshot: Snapshot, path: str, experiment: Experiment) -> Iterator[Fault]:
    """Every fault of an experiment beside its environment."""
    yield from name_faults(snapshot, path, experiment.name)
    environment = snapshot.environments.get(experiment.environment)
    if environment is None:
        known = known_environments(snapshot.environments)
        text = f"{experiment.environment!r} does not exist; {known}"
        yield snapshot.fault(path, "environment", text)
        return
    for key, text in _resource_faults(experiment, environment):
        yield snapshot.fault(path, key, text)
    for key, text in _option_faults(experiment, environment):
        yield snapshot.fault(path, key, text)
    for key, text in _recurrence_faults(snapshot, experiment):
        yield snapshot.fault(path, key, text)
    longest = run_cost(experiment, environment, seconds(experiment.budget.max_duration))
    if longest and longest.amount > experiment.budget.max_cost:
        text = (
            f"{experiment.budget.max_cost:g} does not pay for {experiment.budget.max_duration} "
            f"({longest.amount:.2f} {longest.currency}); raise it or shorten max_duration"
        )
        yield snapshot.fault(path, "budget.max_cost", text)


def _resource_faults(experiment: Experiment, environment: Environment) -> Iterator[tuple[str, str]]:
    """Key and text of what no node of an environment has."""
    wanted, pools, name = experiment.resources, environment.pools, environment.name
    if wanted.gpus and not any(pool.gpus for pool in pools):
        yield (
            "resources.gpus",
            f"'{wanted.gpus}' asked, but no pool of {name} has a GPU; choose another environment",
        )
        return
    memory = max((pool.memory for pool in pools), key=memory_bytes)
    is_too_large = memory_bytes(wanted.memory) > memory_bytes(memory)
    if is_too_large:
        yield (
            "resources.memory",
            f"'{wanted.memory}' is above the largest node of {name}, {memory}; ask for less",
        )
    cpu = max((pool.cpu for pool in pools), key=cpu_cores)
    if cpu_cores(wanted.cpu) > cpu_cores(cpu):
        yield (
            "resources.cpu",
            f"'{wanted.cpu}' is above the largest node of {name}, {cpu}; ask for less",
        )
    elif pool_for(experiment, environment) is None and not is_too_large:
        # Each is there somewhere, but not all of them in one pool.
        shares = ", ".join(f"{pool.name} {node_share(experiment, pool):.0%}" for pool in pools)
        yield "resources", f"fit no single pool of {name} ({shares}); lower the largest"


def _option_faults(experiment: Experiment, environment: Environment) -> Iterator[tuple[str, str]]:
    """Key and text of options that this environment does not have, or that do not go together."""
    options, name = set(experiment.options), environment.name
    has_spot = any(pool.spot_price_per_hour is not None for pool in environment.pools)
    if "spot" in options and not has_spot:
        yield "options", f"'spot' is on, but no pool of {name} has a spot price; remove it"
    if "kueue" in options and environment.runtime == "kubernetes" and not environment.kueue:
        yield (
            "options",
            f"'kueue' is on, but {name} has no queue; set kueue: true in its environment.yaml",
        )
    if options >= _SHARES_A_GPU:
        yield "options", "'gpu-shared' and 'gpu-mig' exclude each other; keep one"
    if options & _SHARES_A_GPU and not experiment.resources.gpus:
        yield "options", "a GPU option is on, but resources.gpus is 0; ask for at least 1"
    workers = experiment.topology.workers
    if ("distributed" in options) != (workers > 1):
        yield (
            "options" if options else "topology.workers",
            "'distributed' goes with more than 1 worker, "
            f"topology.workers is {workers}; set both or none",
        )


def _recurrence_faults(snapshot: Snapshot, experiment: Experiment) -> Iterator[tuple[str, str]]:
    """Key and text of what a recurring experiment may not do with its runs."""
    target = experiment.recurrence.promote
    if target is None:
        return
    environment = snapshot.environments.get(target)
    if environment is None:
        known = known_environments(snapshot.environments)
        yield "retrain.promote", f"{target!r} does not exist; {known}"
    elif experiment.environment not in (target, *environment.promotes_from):
        yield (
            "retrain.promote",
            f"{target!r} takes no runs from {experiment.environment}; "
            f"add that to its promotes_from, or choose another environment",
        )
