"""What a merge does to the Jobs that train and prepare data.

Read from what Flux will apply: an overlay of a run that was not there trains it, one with another
name restarts it, one that goes cancels it, unless a receipt says that the run has ended.
"""

from collections.abc import Collection, Iterable, Iterator
from functools import cached_property

from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.layout import (
    SHORT,
    JobFolder,
    data_of,
    experiment_path,
    experiments_of,
    folder_of,
    job_folder,
    job_folders,
    run_of,
)
from ml_pipeline.rules.identity.awaited import awaited_identity, run_identity_of
from ml_pipeline.rules.identity.hashes import data_identity
from ml_pipeline.rules.money.estimates import History, Price, priced
from ml_pipeline.rules.money.prices import duration, money
from ml_pipeline.rules.render.training import is_data, job_name, training_overlays
from ml_pipeline.rules.review.consequence import Consequence, Kind


class _Side:
    """One side of the comparison, with its overlays of Jobs by the short identity of what each
    makes."""

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

    def has_receipt(self, short: str) -> bool:
        """Whether it is settled."""
        return self.snapshot.data.has(short) or self.snapshot.runs.has(short)

    def experiment_of(self, short: str, likely: Iterable[str]) -> Experiment | None:
        """The experiment that something is made for: that of the overlay's name, else the first
        that needs the data, a likely one before the others."""
        experiments = self.snapshot.experiments
        if not self.prepares(short):
            return experiments.get(self.overlays[short].maker)
        for name in (*likely, *experiments):
            if name in experiments and data_identity(experiments[name])[:SHORT] == short:
                return experiments[name]
        return None

    def _kustomization(self, short: str) -> bytes:
        return self.snapshot.files[f"{self.overlays[short].path}/kustomization.yaml"]


def job_consequences(
    before: Snapshot, after: Snapshot, paths: Collection[str]
) -> Iterator[Consequence]:
    """What becomes of every Job that some changed paths have to do with."""
    old, new = _Side(before), _Side(after)
    removed = [path for path in paths if path not in after.files]
    names = sorted(experiments_of(paths) | _asked_again(after, removed))
    touched = {folder_of(path) for path in paths}
    on_both = [short for short in new.overlays if short in old.overlays]
    restarted = [short for short in on_both if _is_another_job(old, new, short, touched)]
    yield from _restarted(new, restarted, names)
    yield from _asked(old, new, names, set(restarted))
    yield from _cancelled(old, new, names)


def stale_experiments(after: Snapshot, changed: Iterable[str]) -> list[str]:
    """Changed experiments whose overlay is not what follows from them, so that what is told here is
    not what they ask for."""
    side, stale = _Side(after), []
    for name in sorted(experiments_of(changed) & set(after.experiments)):
        is_known = after.experiments[name].environment in after.environments
        if is_known and _is_stale(side, name):
            stale.append(name)
    return stale


def _is_stale(side: _Side, name: str) -> bool:
    for path, raw in training_overlays(side.snapshot, [name]).items():
        folder = job_folder(folder_of(path))
        assert folder is not None
        there = side.overlays.get(folder.short)
        # Another experiment that asks for the same may have the overlay, under its own name.
        is_others = there is not None and there.stem != folder.stem
        if side.snapshot.files.get(path) != raw and not is_others:
            return True
    return False


def _asked_again(after: Snapshot, removed: Iterable[str]) -> set[str]:
    """Experiments that ask for what a removed receipt had settled."""
    gone = set()
    for path in removed:
        receipt = run_of(path) or data_of(path)
        if receipt:
            gone.add(receipt.id)
    if not gone:
        return set()
    names = set()
    for name, experiment in after.experiments.items():
        identity = awaited_identity(after, experiment)
        if identity and identity[:SHORT] in gone:
            names.add(name)
    return names


def _is_another_job(old: _Side, new: _Side, short: str, touched: Collection[str]) -> bool:
    """Whether two sides make the same thing with different Jobs; `touched` are the folders in which
    a file differs."""
    if old.overlays[short] != new.overlays[short]:
        return True
    # Names of Jobs are read from files: of thousands, only of those that differ.
    return new.overlays[short].path in touched and old.job(short) != new.job(short)


def _restarted(new: _Side, restarted: list[str], names: list[str]) -> Iterator[Consequence]:
    for short in restarted:
        experiment = new.experiment_of(short, names)
        if experiment:
            what = f"{experiment.name}/{short} from its checkpoint"
            if new.prepares(short):
                what = f"the preparation of the data of {experiment.name}"
            yield _costly("restarts", f"restarts {what} in another Job", new, experiment)


def _asked(
    old: _Side, new: _Side, names: Iterable[str], restarted: Collection[str]
) -> Iterator[Consequence]:
    """What becomes of the experiments that are new or changed."""
    for name in names:
        experiment = new.snapshot.experiments.get(name)
        if experiment is None:
            continue
        identity = awaited_identity(new.snapshot, experiment)
        short = (identity or "")[:SHORT]
        path = experiment_path(name)
        if identity is None:
            text = f"{_settled(new.snapshot, experiment)}: its receipt is reused, nothing runs"
            yield Consequence("reuses", text, path)
        elif short in restarted:
            continue
        elif identity == data_identity(experiment):
            how = "after preparing its data"
            if short in old.overlays:
                how = "once its data is there, which is asked for already"
            yield _costly("prepares", f"trains {name} {how}", new, experiment)
        elif short in old.overlays:
            yield Consequence("nothing", f"{name}/{short} goes on as it is", path)
        else:
            yield _costly("trains", f"trains {name}/{short}", new, experiment)


def _settled(snapshot: Snapshot, experiment: Experiment) -> str:
    run = run_identity_of(snapshot, experiment)
    if run is None:
        return f"the data of {experiment.name} could not be prepared"
    return f"{experiment.name}/{run[:SHORT]} is trained already"


def _cancelled(old: _Side, new: _Side, names: Iterable[str]) -> Iterator[Consequence]:
    """Runs and data that were asked for, are not settled, and are asked for no more."""
    for short, folder in old.overlays.items():
        if short in new.overlays or new.has_receipt(short):
            continue
        experiment = old.experiment_of(short, names)
        name = experiment.name if experiment else folder.maker
        what = "the preparation of the data" if old.prepares(short) else "the run"
        text = f"cancels {what} {short} of {name}, running or not"
        yield Consequence("cancels", text, experiment_path(name))


def _costly(kind: Kind, text: str, new: _Side, experiment: Experiment) -> Consequence:
    """A consequence with what it costs."""
    path = experiment_path(experiment.name)
    price = priced(new.snapshot, new.history, experiment)
    if price is None:
        return Consequence(kind, text, path)
    text = f"{text}: {_in_words(price)}"
    return Consequence(kind, text, path, price.p50, price.p90, price.currency)


def _in_words(price: Price) -> str:
    """An estimate: `0.35 USD (p90 0.50) in 4 min (p90 6 min) on a100, from 7 like runs`."""
    expected = price.estimate
    if not expected.runs:
        most = f"at most {money(price.p90)} {price.currency} in {duration(expected.p90_s)}"
        return f"{most} on {price.pool}, its budget, as no like run is known"
    wait = f" after {duration(expected.queued_s)} of waiting" if expected.queued_s >= 1 else ""
    cost = f"{money(price.p50)} {price.currency} (p90 {money(price.p90)})"
    time = f"in {duration(expected.p50_s)} (p90 {duration(expected.p90_s)})"
    runs = f"{expected.runs} like {'run' if expected.runs == 1 else 'runs'}"
    return f"{cost} {time}{wait} on {price.pool}, from {runs}"
