"""What an environment spends in a month: what is paid, what waits, what serves, what is left."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.faults import Fault
from ml_pipeline.documents.fields import memory_bytes
from ml_pipeline.documents.receipts import Run
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.layout import environment_path
from ml_pipeline.rules.identity.hashes import data_identity
from ml_pipeline.rules.identity.served import serving_of
from ml_pipeline.rules.money.estimates import ENOUGH, History, Price, priced
from ml_pipeline.rules.money.prices import hourly, is_spot, money, month_cost, pool_for
from ml_pipeline.rules.money.waiting import Waiting

_ROOM = 1.3  # how much more memory than any like run has used is asked for
_WORTH_SAYING = 0.005
_GIB = 2**30


@dataclass(frozen=True)
class Served:
    """A served model and what it costs in a month."""

    model: str
    predictors: int
    month: float


@dataclass(frozen=True)
class Month:
    """One environment in one month (`2026-11`), amounts in its currency.

    `waiting` are medians by experiment.
    """

    environment: str
    month: str
    currency: str
    limit: float
    spent: float
    waiting: Mapping[str, Price]
    served: tuple[Served, ...]

    def of(self, model: str) -> float:
        """What one model costs in a month; 0 where it does not serve."""
        return sum(served.month for served in self.served if served.model == model)

    @property
    def awaited(self) -> float:
        """What all that waits is expected to cost, by medians."""
        return sum(price.p50 for price in self.waiting.values())

    @property
    def serving(self) -> float:
        """What all that serves costs."""
        return sum(served.month for served in self.served)

    @property
    def expected(self) -> float:
        """All of it together."""
        return self.spent + self.awaited + self.serving

    @property
    def left(self) -> float:
        """What the budget leaves; below zero where it does not suffice."""
        return self.limit - self.expected


def months(
    snapshot: Snapshot, history: History, month: str, known: Waiting | None = None
) -> dict[str, Month]:
    """Every environment in a month; `known` is what experiments wait for, where that is known."""
    waiting = _waiting(snapshot, history, known or Waiting(snapshot))
    spent = _spent(snapshot, month)
    every = {}
    for name, environment in snapshot.environments.items():
        every[name] = Month(
            environment=name,
            month=month,
            currency=environment.budget.currency,
            limit=environment.budget.monthly,
            spent=spent[name],
            waiting=waiting[name],
            served=tuple(_served(snapshot, name)),
        )
    return every


def _waiting(
    snapshot: Snapshot, history: History, known: Waiting
) -> Mapping[str, Mapping[str, Price]]:
    """What each environment's experiments wait for, by environment and experiment."""
    waiting: dict[str, dict[str, Price]] = {name: {} for name in snapshot.environments}
    seen: set[str] = set()
    for name, identity in known.identities.items():
        experiment = snapshot.experiments[name]
        # Experiments that ask for the same run pay for it once; those that wait for the same data
        # will each train on it.
        if identity in seen and identity != data_identity(experiment):
            continue
        seen.add(identity)
        price = known.price(name, history)
        if price:
            waiting[experiment.environment][name] = price
    return waiting


def _spent(snapshot: Snapshot, month: str) -> dict[str, float]:
    """What the runs of a month have cost, by environment."""
    spent = dict.fromkeys(snapshot.environments, 0.0)
    for run in _runs_of(snapshot, month):
        if run.cost and run.environment in spent and (run.started or "").startswith(month):
            spent[run.environment] += run.cost.amount
    return spent


def _runs_of(snapshot: Snapshot, month: str) -> Iterator[Run]:
    """Receipts that may be of a month."""
    # Thousands are not read, as they hold neither its name nor an escape that could stand for it.
    for path in snapshot.paths.get(Run, ()):
        raw = snapshot.files[path]
        if month.encode() in raw or b"\\" in raw:
            run = snapshot.document(path)
            assert isinstance(run, Run)
            yield run


def over_budget(
    snapshot: Snapshot, before: Mapping[str, Month], after: Mapping[str, Month]
) -> list[Fault]:
    """Budgets that a change does not leave intact: what is dearer than before and too dear now.

    A budget already spent stops nothing that makes it no worse.
    """
    faults = []
    for name, now in after.items():
        old = before.get(name)
        if now.left < 0 and (old is None or now.left < old.left):
            more = now.expected - (old.expected if old else 0.0)
            text = (
                f"'{now.limit:g}' is less than {now.expected:.2f} {now.currency} "
                f"expected in {now.month}, {more:.2f} more than before; "
                "ask for less, wait for another month, or raise it"
            )
            faults.append(snapshot.fault(environment_path(name), "budget.monthly", text))
    return faults


def advice(snapshot: Snapshot, history: History, experiment: Experiment) -> list[str]:
    """What would make a run cheaper, each with its amount of money."""
    environment = snapshot.environments[experiment.environment]
    pool, price = pool_for(experiment, environment), priced(snapshot, history, experiment)
    if pool is None or price is None:
        return []
    advices = []
    if price.spot is not None and not is_spot(experiment):
        saved = price.p50 - price.spot
        if saved > _WORTH_SAYING:
            amount = f"{money(saved)} {price.currency}"
            advices.append(f"spot saves {amount} a run; add it to options")
    peaks = [run.peak_memory_mb for run in history.like(experiment) if run.peak_memory_mb]
    smaller = _smaller_memory(experiment, peaks)
    if smaller:
        resources = experiment.resources.model_copy(update={"memory": smaller})
        cheaper = experiment.model_copy(update={"resources": resources})
        other = pool_for(cheaper, environment) or pool
        rate = hourly(experiment, pool, spot=is_spot(experiment))
        saved = price.p50 * (1 - hourly(cheaper, other, spot=is_spot(cheaper)) / rate)
        if saved > _WORTH_SAYING:
            asked = f"{experiment.resources.memory} asked"
            used = f"{max(peaks) / 1024:.1f}Gi used in {len(peaks)} runs"
            amount = f"{money(saved)} {price.currency}"
            advices.append(f"{asked}, {used}: memory {smaller} saves {amount} a run")
    return advices


def _smaller_memory(experiment: Experiment, peaks: list[float]) -> str | None:
    """Memory that is enough for what like runs have used.

    None is said where it is not clearly less than what is asked.
    """
    if len(peaks) < ENOUGH:
        return None
    enough = max(math.ceil(int(max(peaks) * 2**20 * _ROOM) / _GIB), 1)
    return f"{enough}Gi" if enough * _GIB * 2 <= memory_bytes(experiment.resources.memory) else None


def _served(snapshot: Snapshot, environment: str) -> list[Served]:
    models = []
    for name, model in snapshot.promotions:
        serving = serving_of(snapshot, name, model) if name == environment else None
        if serving:
            count = len(serving.weights)
            month = month_cost(serving.promotion, snapshot.environments[name], count)
            models.append(Served(model, count, month))
    return models
