"""What a merge does to recurring experiments: which train anew how often, and what that costs."""

from collections.abc import Iterable, Iterator

from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.faults import InvalidDocumentsError
from ml_pipeline.documents.recurrence import times_a_month
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.layout import experiment_path, experiments_of
from ml_pipeline.rules.money.estimates import History, priced
from ml_pipeline.rules.money.prices import money
from ml_pipeline.rules.review.consequence import Consequence


def schedule_consequences(
    before: Snapshot, after: Snapshot, paths: Iterable[str]
) -> Iterator[Consequence]:
    """Schedules that are new, other ones, or gone."""
    history = History(after)
    for name in sorted(experiments_of(paths)):
        old, new = _written(before, name), _written(after, name)
        schedule = new.schedule if new else None
        if new and schedule and not (old and _turns(old) == _turns(new)):
            yield _scheduled(after, history, new, schedule)
        elif old and old.schedule and not schedule:
            text = f"{name} trains no more by itself ({_in_words(old)})"
            yield Consequence("schedules", text, experiment_path(name))


def _written(snapshot: Snapshot, name: str) -> Experiment | None:
    """The experiment; None where there is none, or the merge mends one that nobody can read."""
    try:
        return snapshot.written(name) if name in snapshot.experiments else None
    except InvalidDocumentsError:
        return None


def _turns(experiment: Experiment) -> tuple[object, ...]:
    return experiment.schedule, experiment.recurrence


def _in_words(experiment: Experiment) -> str:
    return f"{experiment.schedule} in {experiment.recurrence.timezone}"


def _scheduled(
    snapshot: Snapshot, history: History, experiment: Experiment, schedule: str
) -> Consequence:
    """How often an experiment trains from now on, where its runs go, and what a month costs."""
    name, target = experiment.name, experiment.recurrence.promote
    times = times_a_month(schedule, experiment.recurrence.timezone)
    promoted = f" and promotes to {target} what passes its gates" if target else ""
    text = (
        f"trains {name} on the newest data {_in_words(experiment)}, "
        f"at most {times:.3g} times a month{promoted}"
    )
    path = experiment_path(name)
    price = priced(snapshot, history, experiment)
    if price is None:
        return Consequence("schedules", text, path)
    # In words only: what a month costs is no part of what this merge costs once.
    cost = f"{money(times * price.p50)} {price.currency} a month (p90 {money(times * price.p90)})"
    return Consequence("schedules", f"{text}: {cost}", path)
