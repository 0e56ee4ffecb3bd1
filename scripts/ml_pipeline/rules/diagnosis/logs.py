"""Which Jobs a person means by a name: a Job's own, a run's, that of data, or an experiment's."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ml_pipeline.layout import file_of
from ml_pipeline.rules.render.overlays import LABEL_DATA, LABEL_EXPERIMENT, LABEL_RUN

_MOST_NAMED = 12
_NEAR = 0.7  # how alike a name has to be, of 1, to be taken for a slip


@dataclass(frozen=True)
class JobTrace:
    """A Job of which there is a trace, itself or its logs. `begun` orders them, in seconds since
    the epoch."""

    name: str
    labels: Mapping[str, str]
    begun: float

    @property
    def identity(self) -> str:
        """Short identity of the run or data that it is to make."""
        return self.labels.get(LABEL_RUN) or self.labels.get(LABEL_DATA) or ""

    @property
    def reference(self) -> str:
        """`experiment/id` of a run, as other commands take it; empty for data."""
        experiment = self.labels.get(LABEL_EXPERIMENT)
        return f"{experiment}/{self.identity}" if experiment else ""


@dataclass(frozen=True)
class LogQuery:
    """What was asked for: a name, and a try of it, counted from 1; None is all of them.

    `data` is the short identity of what the experiment of that name trains on, where there is one.
    """

    name: str
    only: int | None = None
    data: str | None = None

    def prepares(self, jobs: Sequence[JobTrace]) -> bool:
        """Whether it is an experiment whose newest Job prepares its data: its run comes next."""
        return self.data is not None and bool(jobs) and jobs[-1].identity == self.data

    def no_such_try(self, tries: int) -> str:
        """What to say where there are fewer tries."""
        return f"{self.name!r} has no try {self.only}; it has had {tries}"


def to_type_instead(query: LogQuery, jobs: Iterable[JobTrace], others: Iterable[str] = ()) -> str:
    """What has a log: the nearest name, or those there are, as people type them."""
    names = {*others}
    for job in jobs:
        names |= {job.labels.get(LABEL_EXPERIMENT, ""), job.reference}
    known = sorted(names - {""})
    near = difflib.get_close_matches(query.name, known, n=1, cutoff=_NEAR)
    if near:
        return f"did you mean {near[0]}?"
    more = f" and {len(known) - _MOST_NAMED} more" if len(known) > _MOST_NAMED else ""
    return f"known are {', '.join(known[:_MOST_NAMED]) or 'none yet'}{more}"


def chosen(jobs: Iterable[JobTrace], query: LogQuery) -> list[JobTrace]:
    """The Jobs of a name, oldest first; none where nobody has that name.

    A run can have several, one after the other, because other memory or another node is another
    Job. An experiment stands for what its newest Job is to make: its run, or the data that is
    prepared for it.
    """
    traces = sorted(jobs, key=lambda job: (job.begun, job.name))
    named = [job for job in traces if job.name == query.name]
    if named:
        return named
    short = file_of(query.name)
    made = [job for job in traces if job.identity == short]
    if made:
        return made
    of_experiment = [job for job in traces if _is_for_experiment(job, query)]
    return [job for job in of_experiment if job.identity == of_experiment[-1].identity]


def _is_for_experiment(job: JobTrace, query: LogQuery) -> bool:
    if job.labels.get(LABEL_EXPERIMENT) == query.name:
        return True
    return query.data is not None and job.labels.get(LABEL_DATA) == query.data
