"""Which Jobs a person means by a name: a Job's own, a run's, prepared data's, or an experiment's."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ml_pipeline.rules.render.overlays import LABEL_DATA, LABEL_EXPERIMENT, LABEL_RUN

_MOST_NAMED = 12


@dataclass(frozen=True)
class JobTrace:
    """A Job of which there is a trace, itself or its logs. `begun` orders them, in seconds since the epoch."""

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
class Asked:
    """What was asked for: a name, and a try of it, counted from 1; None is all of them. `data` is the short identity of what
    the experiment of that name trains on, where there is one."""

    name: str
    only: int | None = None
    data: str | None = None

    def prepares(self, jobs: Sequence[JobTrace]) -> bool:
        """Whether it is an experiment whose newest Job prepares its data: its run comes next."""
        return self.data is not None and bool(jobs) and jobs[-1].identity == self.data

    def no_such_try(self, tries: int) -> str:
        """What to say where there are fewer tries."""
        return f"{self.name!r} has no try {self.only}; it has had {tries}"


def to_type_instead(asked: Asked, jobs: Iterable[JobTrace], others: Iterable[str] = ()) -> str:
    """What has a log: the nearest name, or those there are, as people type them."""
    mine = {job.labels.get(LABEL_EXPERIMENT, "") for job in jobs}
    mine |= {job.reference for job in jobs}
    names = sorted({*mine, *others} - {""})
    near = difflib.get_close_matches(asked.name, names, n=1, cutoff=0.7)
    if near:
        return f"did you mean {near[0]}?"
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"known are {', '.join(names[:_MOST_NAMED]) or 'none yet'}{more}"


def chosen(jobs: Iterable[JobTrace], asked: Asked) -> list[JobTrace]:
    """The Jobs of a name, oldest first; none where nobody has that name.

    A run can have several, one after the other, because other memory or another node is another Job. An experiment
    stands for what its newest Job is to make: its run, or the data that is prepared for it.
    """
    traces = sorted(jobs, key=lambda job: (job.begun, job.name))
    short = asked.name.rpartition("/")[2]
    named = [job for job in traces if asked.name == job.name]
    made = [job for job in traces if short == job.identity]
    if named or made:
        return named or made
    mine = [
        job
        for job in traces
        if job.labels.get(LABEL_EXPERIMENT) == asked.name
        or (asked.data is not None and job.labels.get(LABEL_DATA) == asked.data)
    ]
    return [job for job in mine if job.identity == mine[-1].identity]
