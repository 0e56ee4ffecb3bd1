"""Which experiments of a tree train anew, and when: what a scheduler has to know of each.

Reads files and nothing else, as a scheduler asks again and again.
"""

from dataclasses import dataclass
from pathlib import Path

from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.faults import Fault
from ml_pipeline.documents.reader import read
from ml_pipeline.documents.recurrence import PRESETS
from ml_pipeline.layout import experiment_path

_KEY = b"schedule"


@dataclass(frozen=True)
class Schedule:
    """When an experiment trains anew, and for whom.

    `cron` has five fields, in `timezone`; `promote` is the environment that its runs go to.
    """

    experiment: str
    owner: str
    model: str
    environment: str
    cron: str
    timezone: str
    promote: str | None


@dataclass(frozen=True)
class Schedules:
    """The schedules of a tree by the names of experiments, and the faults of those left out."""

    known: tuple[Schedule, ...]
    faults: tuple[Fault, ...]


def read_schedules(root: Path) -> Schedules:
    """Every schedule of a tree; a file that cannot be read takes nothing from the others."""
    known: list[Schedule] = []
    faults: list[Fault] = []
    for path in sorted(root.glob(experiment_path("*"))):
        raw = path.read_bytes()
        if _KEY not in raw:  # thousands that have none are not even parsed
            continue
        result = read(path.relative_to(root).as_posix(), raw)
        if isinstance(result, list):
            faults += result
            continue
        experiment = result[0]
        assert isinstance(experiment, Experiment)
        if experiment.schedule:
            known.append(_schedule(experiment, experiment.schedule))
    return Schedules(tuple(known), tuple(faults))


def _schedule(experiment: Experiment, cron: str) -> Schedule:
    recurrence = experiment.recurrence
    return Schedule(
        experiment=experiment.name,
        owner=experiment.owner,
        model=experiment.model.name,
        environment=experiment.environment,
        cron=PRESETS.get(cron, cron),
        timezone=recurrence.timezone,
        promote=recurrence.promote,
    )
