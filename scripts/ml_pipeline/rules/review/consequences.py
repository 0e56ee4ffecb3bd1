"""What a merge will do, beyond the objects that it changes: what trains, what is reused, what is cancelled, who gets which traffic.

Read from what Flux will apply: an overlay of a run that was not there trains it, one with another name restarts it, one that
goes cancels it, unless a receipt says that the run has ended.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.faults import Fault, InvalidDocumentsError
from ml_pipeline.documents.promotion import Promotion
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.layout import (
    POLICIES,
    SHORT,
    JobFolder,
    experiments_of,
    is_automations,
    job_folder,
    job_folders,
    promotion_path,
)
from ml_pipeline.rules.identity.awaited import awaited_identity, run_identity_of
from ml_pipeline.rules.identity.hashes import data_identity
from ml_pipeline.rules.identity.served import Serving, serving_of
from ml_pipeline.rules.kustomize.objects import NotCoveredError, Object, parse_objects
from ml_pipeline.rules.money.estimates import History, Price, priced
from ml_pipeline.rules.money.prices import duration, money
from ml_pipeline.rules.render.training import is_data, job_name, training_overlays
from ml_pipeline.rules.review.closed_world import rights
from ml_pipeline.rules.review.diff import object_changes
from ml_pipeline.rules.rollout.gates import described

# The largest first: what is refused at all, who may do what, what ends or moves something that people rely on, then what costs,
# then what does neither.
Kind = Literal[
    "policies",
    "grants",
    "cancels",
    "traffic",
    "restarts",
    "trains",
    "prepares",
    "keeps",
    "reuses",
    "nothing",
]
ORDER: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Consequence:
    """One thing that the merge does. `cost` is what it is expected to cost, `most` the 90th percentile, both in `currency`."""

    kind: Kind
    text: str
    path: str
    cost: float = 0.0
    most: float = 0.0
    currency: str = ""


class _Side:
    """One side of the comparison: its snapshot, and the overlays of Jobs by the short identity of what they make."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot, self.history = snapshot, History(snapshot)

    @cached_property
    def overlays(self) -> dict[str, JobFolder]:
        """Folders by short identity."""
        return job_folders(self.snapshot.files)

    def job(self, short: str) -> str:
        """Name of the Job that makes it, which stands for its template."""
        return job_name(self._kustomization(short))

    def prepares(self, short: str) -> bool:
        """Whether it is data that its overlay makes."""
        return is_data(self._kustomization(short))

    def asker(self, short: str, likely: Iterable[str]) -> Experiment | None:
        """The experiment that something is made for: that of the overlay's name, else the first that asks for the data."""
        if not self.prepares(short):
            return self.snapshot.experiments.get(self.overlays[short].maker)
        names = [
            *(name for name in likely if name in self.snapshot.experiments),
            *self.snapshot.experiments,
        ]
        asking = (self.snapshot.experiments[name] for name in names)
        return next(
            (experiment for experiment in asking if data_identity(experiment)[:SHORT] == short),
            None,
        )

    def _kustomization(self, short: str) -> bytes:
        return self.snapshot.files[f"{self.overlays[short].path}/kustomization.yaml"]


def consequences(before: Snapshot, after: Snapshot, changed: Iterable[str]) -> list[Consequence]:
    """Everything that follows from going from one revision to another that differs in some paths, the largest first."""
    paths = sorted(changed)
    old, new = _Side(before), _Side(after)
    touched = {path.rpartition("/")[0] for path in paths}
    removed = [path for path in paths if path not in after.files and is_automations(path)]
    names = sorted(experiments_of(paths) | _asked_again(after, removed))
    restarted = [
        short
        for short in new.overlays
        if short in old.overlays and _differs(old, new, short, touched)
    ]
    found = [
        *_other_policies(paths),
        *_restarted(new, restarted, names),
        *_asked(old, new, [name for name in names if name in after.experiments], set(restarted)),
        *_cancelled(old, new, names),
        *_traffic(before, after, paths),
        *_started_anew(before, after, paths),
        *_taken_out(before, after, removed),
    ]
    return in_order(found)


def in_order(found: Iterable[Consequence]) -> list[Consequence]:
    """Consequences, the largest first."""
    return sorted(found, key=lambda c: (ORDER.index(c.kind), c.path, c.text))


def kept_objects(
    place: str, before: Iterable[Object], after: Iterable[Object]
) -> Iterator[Consequence]:
    """What becomes of the objects in a place of people's own: each by kind, name and what it grants."""
    objects = {
        (o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"]): o for o in after
    }
    for change in object_changes(before, objects.values()):
        thing = objects.get((change.kind, change.namespace, change.name))
        granted = rights(thing) if thing else ""
        doing = {"create": "adds", "delete": "removes"}.get(change.action, "changes")
        what = "in the whole cluster" if not change.namespace else f"in {change.namespace}"
        text = (
            f"{doing} {change.kind} {change.name} {what}{f', which {granted}' if granted else ''}"
        )
        kind: Kind = "grants" if granted else "keeps"
        yield Consequence(kind, text, f"{place}/kustomization.yaml")


def _asked_again(after: Snapshot, removed: Iterable[str]) -> set[str]:
    """Experiments that ask for what a removed receipt had settled."""
    gone = {path.rpartition("/")[2].removesuffix(".yaml") for path in removed if "/runs/" in path}
    gone_data = {
        path.rpartition("/")[2].removesuffix(".yaml") for path in removed if "/data/" in path
    }
    if not gone and not gone_data:
        return set()
    return {
        name
        for name, experiment in after.experiments.items()
        if (awaited_identity(after, experiment) or "")[:SHORT] in gone | gone_data
    }


def _taken_out(before: Snapshot, after: Snapshot, removed: Iterable[str]) -> Iterator[Consequence]:
    """Verdicts that are removed: the rollout that they ended goes on."""
    for path in removed:
        parts = path.split("/")
        if parts[2] != "verdicts" or len(parts) != 5:
            continue
        serving = serving_of(after, parts[1], parts[3])
        if serving and parts[4] == f"{serving.rollout}.yaml":
            outcome = before.verdicts[parts[1], serving.rollout].outcome
            goes = "has ended all the same" if serving.ended else "goes on"
            text = f"{parts[3]} in {parts[1]}: the rollout to {serving.promotion.run} {goes}, its verdict {outcome!r} is taken out"
            yield Consequence("traffic", text, path)


def _differs(old: _Side, new: _Side, short: str, touched: Collection[str]) -> bool:
    """Whether two sides make the same thing with different Jobs; `touched` are the folders in which a file differs."""
    if old.overlays[short] != new.overlays[short]:
        return True
    return new.overlays[short].path in touched and old.job(short) != new.job(short)


def _restarted(new: _Side, restarted: list[str], names: list[str]) -> Iterator[Consequence]:
    for short in restarted:
        experiment = new.asker(short, names)
        if experiment:
            what = (
                f"the preparation of the data of {experiment.name}"
                if new.prepares(short)
                else f"{experiment.name}/{short} from its checkpoint"
            )
            yield _costly("restarts", f"restarts {what} in another Job", new, experiment)


def _asked(old: _Side, new: _Side, names: list[str], restarted: set[str]) -> Iterator[Consequence]:
    """What becomes of the experiments that are new or changed."""
    for name in names:
        experiment = new.snapshot.experiments[name]
        identity = awaited_identity(new.snapshot, experiment)
        short = (identity or "")[:SHORT]
        if identity is None:
            text = f"{_settled(new.snapshot, experiment)}: its receipt is reused, nothing runs"
            yield Consequence("reuses", text, _path(experiment))
        elif short in restarted:
            continue
        elif identity == data_identity(experiment):
            how = (
                "once its data is there, which is asked for already"
                if short in old.overlays
                else "after preparing its data"
            )
            yield _costly("prepares", f"trains {name} {how}", new, experiment)
        elif short in old.overlays:
            yield Consequence("nothing", f"{name}/{short} goes on as it is", _path(experiment))
        else:
            yield _costly("trains", f"trains {name}/{short}", new, experiment)


def _settled(snapshot: Snapshot, experiment: Experiment) -> str:
    run = run_identity_of(snapshot, experiment)
    return (
        f"{experiment.name}/{run[:SHORT]} is trained already"
        if run
        else f"the data of {experiment.name} could not be prepared"
    )


def _cancelled(old: _Side, new: _Side, names: list[str]) -> Iterator[Consequence]:
    """Runs and data that were asked for, are not settled, and are asked for no more."""
    for short, folder in old.overlays.items():
        if short in new.overlays or new.snapshot.data.has(short) or new.snapshot.runs.has(short):
            continue
        experiment = old.asker(short, names)
        name = experiment.name if experiment else folder.maker
        what = "the preparation of the data" if old.prepares(short) else "the run"
        yield Consequence(
            "cancels",
            f"cancels {what} {short} of {name}, running or not",
            f"experiments/{name}/experiment.yaml",
        )


def _traffic(before: Snapshot, after: Snapshot, paths: list[str]) -> Iterator[Consequence]:
    parts = (path.split("/") for path in paths)
    moved = {
        (p[1], p[3].removesuffix(".yaml"))
        for p in parts
        if len(p) > 3 and p[2] in ("promotions", "rollouts", "verdicts")
    }
    for environment, model in sorted(moved):
        old, new = serving_of(before, environment, model), serving_of(after, environment, model)
        if _weights(old) != _weights(new):
            text = (
                f"{model} in {environment}: from {_share(old)} to {_share(new)}{_jumps(old, new)}"
            )
            yield Consequence("traffic", text, promotion_path(environment, model))


def _jumps(old: Serving | None, new: Serving | None) -> str:
    """Runs that get traffic at once beyond what a rollout begins with: a baseline that did not serve, a run without
    one. A revert does that too, and is to; what is written by hand may not mean it."""
    before, first = _weights(old), new.promotion.rollout.steps[0] if new else 0
    found = []
    for run, weight in _weights(new).items():
        is_canary = new is not None and run == new.promotion.run and weight <= first < 100
        if before and run not in before and not is_canary:
            found.append(f"; {run} did not serve and gets {weight} % at once")
    return "".join(found)


def _other_policies(paths: list[str]) -> Iterator[Consequence]:
    """Policies that the merge adds, changes or takes out. They are data of the head, so a weaker one lets more pass in its review."""
    for path in paths:
        if path.startswith(POLICIES):
            text = (
                "changes what the cluster refuses; the policies were judged as they are afterwards"
            )
            yield Consequence("policies", text, path)


def _started_anew(before: Snapshot, after: Snapshot, paths: list[str]) -> Iterator[Consequence]:
    """Served models whose predictors serve the same run in another way: another image, other resources."""
    for path in paths:
        parts = path.split("/")
        if parts[2:3] + parts[4:] == ["serving", "promotion", "seldondeployment.yaml"]:
            old, new = _predictors(before, path), _predictors(after, path)
            anew = [name for name in new if name in old and old[name] != new[name]]
            if anew:
                where = promotion_path(parts[1], parts[3])
                yield Consequence(
                    "restarts", f"starts {', '.join(anew)} of {parts[3]} in {parts[1]} anew", where
                )


def _predictors(snapshot: Snapshot, path: str) -> dict[str, Any]:
    """Predictors of a rendered deployment by name, without their traffic."""
    if path not in snapshot.files:
        return {}
    try:
        (deployment,) = parse_objects(snapshot.files[path], exact=False)
        found = deployment["spec"]["predictors"]
        return {
            predictor["name"]: {key: value for key, value in predictor.items() if key != "traffic"}
            for predictor in found
        }
    except (AttributeError, KeyError, TypeError, ValueError, NotCoveredError) as error:
        raise InvalidDocumentsError(
            [Fault(path, 1, "", "is not what `ml-pipeline render` writes; run it")]
        ) from error


def stale(after: Snapshot, changed: Iterable[str]) -> list[str]:
    """Changed experiments whose overlay is not what follows from them, so that what is told here is not what they ask for."""
    sides, found = _Side(after), []
    for name in sorted(experiments_of(changed) & set(after.experiments)):
        if after.experiments[name].environment not in after.environments:
            continue
        for path, raw in training_overlays(after, [name]).items():
            folder = job_folder(path.rpartition("/")[0])
            assert folder is not None
            other = sides.overlays.get(folder.short)
            mine = other is None or other.stem == folder.stem
            if after.files.get(path) != raw and mine and name not in found:
                found.append(name)
    return found


def gates(after: Snapshot, changed: Iterable[str]) -> list[str]:
    """One line for each run that a changed promotion asks for: what was measured against what was asked."""
    lines = []
    for path in sorted(set(changed) & set(after.paths.get(Promotion, ()))):
        _, environment, _, file = path.split("/")
        promotion = after.promotions[environment, file.removesuffix(".yaml")]
        run = after.runs_by_reference.get(promotion.run)
        if run:
            lines.append(
                f"Gates of {promotion.run}: {', '.join(map(described, run.gates)) or 'none was measured'}"
            )
    return lines


def _costly(kind: Kind, text: str, new: _Side, experiment: Experiment) -> Consequence:
    """A consequence with what it costs."""
    price = priced(new.snapshot, new.history, experiment)
    if price is None:
        return Consequence(kind, text, _path(experiment))
    return Consequence(
        kind, f"{text}: {said(price)}", _path(experiment), price.p50, price.p90, price.currency
    )


def said(price: Price) -> str:
    """An estimate in words: `0.35 USD (p90 0.50) in 4 min (p90 6 min) on a100, from 7 like runs`."""
    expected = price.estimate
    if not expected.runs:
        most = f"at most {money(price.p90)} {price.currency} in {duration(expected.p90_s)}"
        return f"{most} on {price.pool}, its budget, as no like run is known"
    wait = f" after {duration(expected.queued_s)} of waiting" if expected.queued_s >= 1 else ""
    cost = f"{money(price.p50)} {price.currency} (p90 {money(price.p90)})"
    time = f"in {duration(expected.p50_s)} (p90 {duration(expected.p90_s)})"
    return f"{cost} {time}{wait} on {price.pool}, from {expected.runs} like run{'s' * (expected.runs > 1)}"


def _path(experiment: Experiment) -> str:
    return f"experiments/{experiment.name}/experiment.yaml"


def _weights(serving: Serving | None) -> dict[str, int]:
    return serving.weights if serving else {}


def _share(serving: Serving | None) -> str:
    return ", ".join(f"{weight} % {run}" for run, weight in _weights(serving).items()) or "nothing"
