"""What a merge will do, beyond the objects that it changes: what trains, what is reused, what is cancelled, who gets which traffic."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.fields import seconds
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.cost import run_cost
from ml_pipeline.rules.identity import SHORT, data_identity
from ml_pipeline.rules.serving import Serving, state
from ml_pipeline.rules.training import asked_run, job_name, pending

Kind = Literal["cancels", "traffic", "restarts", "trains", "prepares", "reuses", "nothing"]
# The largest first: what ends or moves something that people rely on, then what costs, then what does neither.
ORDER: tuple[Kind, ...] = ("cancels", "traffic", "restarts", "trains", "prepares", "reuses", "nothing")


@dataclass(frozen=True)
class Consequence:
    """One thing that the merge does. `cost` is the most it can cost, in `currency`; 0 where it costs nothing."""

    kind: Kind
    text: str
    path: str
    cost: float = 0.0
    currency: str = ""


def consequences(before: Snapshot, after: Snapshot) -> list[Consequence]:
    """Everything that follows from going from one revision to another, the largest first."""
    wanted = _wanted(before)
    found = [*_experiments(before, after, wanted), *_cancelled(after, wanted), *_traffic(before, after)]
    return sorted(found, key=lambda c: (ORDER.index(c.kind), c.path, c.text))


def _experiments(before: Snapshot, after: Snapshot, wanted: Mapping[str, Experiment]) -> Iterator[Consequence]:
    restarted = set()
    for name, experiment in after.experiments.items():
        path = f"experiments/{name}/experiment.yaml"
        identity = pending(after, experiment)
        is_data = identity == data_identity(experiment)
        what = f"the preparation of the data of {name}" if is_data else f"{name}/{(identity or '')[:SHORT]}"
        if identity and identity in wanted and _job(before, experiment, identity) != _job(after, experiment, identity):
            if identity not in restarted:
                how = "" if is_data else " from its checkpoint"
                yield _costly("restarts", f"restarts {what}{how} in another Job", path, after, experiment)
            restarted.add(identity)
        elif before.experiments.get(name) == experiment:
            continue
        elif identity is None:
            yield Consequence("reuses", f"{_settled(after, experiment)}: its receipt is reused, nothing runs", path)
        elif is_data:
            how = "once its data is there, which is asked for already" if identity in wanted else "after preparing its data"
            yield _costly("prepares", f"trains {name} {how}", path, after, experiment)
        elif identity in wanted:
            yield Consequence("nothing", f"{what} goes on as it is", path)
        else:
            yield _costly("trains", f"trains {what}", path, after, experiment)


def _settled(snapshot: Snapshot, experiment: Experiment) -> str:
    run = asked_run(snapshot, experiment)
    return f"{experiment.name}/{run[:SHORT]} is trained already" if run else f"the data of {experiment.name} could not be prepared"


def _cancelled(after: Snapshot, wanted: Mapping[str, Experiment]) -> Iterator[Consequence]:
    """Runs and data that were asked for, are not settled, and are asked for no more."""
    still = _wanted(after)
    for identity, experiment in wanted.items():
        if identity not in still and identity not in after.runs and identity not in after.data:
            what = "the preparation of the data" if identity == data_identity(experiment) else "the run"
            text = f"cancels {what} {identity[:SHORT]} of {experiment.name}, running or not"
            yield Consequence("cancels", text, f"experiments/{experiment.name}/experiment.yaml")


def _traffic(before: Snapshot, after: Snapshot) -> Iterator[Consequence]:
    for environment, model in sorted(before.promotions.keys() | after.promotions.keys()):
        old, new = state(before, environment, model), state(after, environment, model)
        if _weights(old) != _weights(new):
            text = f"{model} in {environment}: from {_share(old)} to {_share(new)}"
            yield Consequence("traffic", text, f"environments/{environment}/promotions/{model}.yaml")


def _wanted(snapshot: Snapshot) -> dict[str, Experiment]:
    """Experiments by the identity of what they wait for."""
    return {identity: e for e in snapshot.experiments.values() if (identity := pending(snapshot, e))}


def _costly(kind: Kind, text: str, path: str, snapshot: Snapshot, experiment: Experiment) -> Consequence:
    """A consequence with the most that it can cost: the longest time that the experiment allows, at the price of its pool."""
    cost = run_cost(experiment, snapshot.environments[experiment.environment], seconds(experiment.budget.max_duration))
    if cost is None:
        return Consequence(kind, text, path)
    return Consequence(kind, f"{text}, at most {cost.amount:.2f} {cost.currency} on {cost.pool}", path, cost.amount, cost.currency)


def _job(snapshot: Snapshot, experiment: Experiment, identity: str) -> str:
    """The Job's name, which stands for its template; empty where it has no overlay."""
    folder = f"{'data' if identity == data_identity(experiment) else experiment.name}-{identity[:SHORT]}"
    raw = snapshot.files.get(f"environments/{experiment.environment}/training/{folder}/kustomization.yaml")
    return "" if raw is None else job_name(folder, raw)


def _weights(serving: Serving | None) -> dict[str, int]:
    return serving.weights if serving else {}


def _share(serving: Serving | None) -> str:
    return ", ".join(f"{weight} % {run}" for run, weight in _weights(serving).items()) or "nothing"
