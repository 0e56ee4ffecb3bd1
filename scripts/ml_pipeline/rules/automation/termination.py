"""A result counts where the Job's own pod says so, in its termination message.

MLflow is open to whoever reaches it, the status of a pod is not. The trainer writes into the
termination message which MLflow run holds its receipt, and the SHA-256 of that. The kubelet keeps
it in the pod's status, the embedded environment in the pod's record; both come here in an
`ObservedJob`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ml_pipeline.documents.fields import one_line
from ml_pipeline.documents.results import (
    Finished,
    TerminationMessage,
    TrainingResult,
    read_result,
    read_termination_message,
)
from ml_pipeline.layout import SHORT
from ml_pipeline.rules.automation.observed import Hold, ObservedJob

_PROBLEM = 250  # characters of what is wrong: of the line of a hold, so that the way out has room
_QUOTED = 60  # characters of a message that are shown
_STILL_RUNS = "z"  # sorts after every time of an end


@dataclass(frozen=True)
class JobMessage:
    """What a Job has said, by the last of its pods that said anything."""

    job: ObservedJob
    message: TerminationMessage


@dataclass
class JobMessages:
    """What Jobs have said of awaited identities: the newest message of each, and of those of which
    none has said anything of use, why they are held."""

    newest: dict[str, JobMessage] = field(default_factory=dict)
    missing: dict[str, list[Hold]] = field(default_factory=dict)

    @property
    def by_identity(self) -> dict[str, TerminationMessage]:
        """What pods have said, as MLflow is asked for it."""
        return {identity: newest.message for identity, newest in self.newest.items()}


@dataclass(frozen=True)
class Verified:
    """Results that are what a pod has said; identities of those that MLflow does not show, or shows
    otherwise; and why they are held."""

    results: dict[str, Finished]
    unknown: frozenset[str]
    holds: tuple[Hold, ...]


def read_messages(jobs: Iterable[ObservedJob], awaited: Iterable[str]) -> JobMessages:
    """What the Jobs of awaited identities have said. A Job that has finished and said nothing is
    held, as long as no other Job of the same identity can still say something."""
    jobs_by_short: dict[str, list[ObservedJob]] = {}
    for job in jobs:
        jobs_by_short.setdefault(job.identity, []).append(job)
    messages = JobMessages()
    for identity in sorted(awaited):
        jobs_of_it = jobs_by_short.get(identity[:SHORT], [])
        newest = _newest(jobs_of_it, identity)
        if newest:
            messages.newest[identity] = newest
        elif all(job.ended for job in jobs_of_it):
            holds = [_says_nothing(job, identity) for job in jobs_of_it if job.is_complete]
            if holds:
                messages.missing[identity] = holds
    return messages


def _newest(jobs: Iterable[ObservedJob], identity: str) -> JobMessage | None:
    """The message of that Job which goes on, or has ended last: of several Jobs for one run it has
    seen what the others left."""
    left = []
    for job in jobs:
        message = message_of(job, identity)
        if isinstance(message, TerminationMessage):
            left.append(JobMessage(job, message))
    return max(left, key=lambda one: one.job.ended or _STILL_RUNS, default=None)


def message_of(job: ObservedJob, identity: str) -> TerminationMessage | str:
    """What the newest pod that says anything of a result says; else why that is nothing, empty
    where no pod is left."""
    problem = ""
    # A try that was killed after its message counts: the receipt was in MLflow before. So the exit
    # code matters only where a pod that succeeded has said nothing.
    for pod in reversed(job.pods):
        message = read_termination_message(pod.message)
        if isinstance(message, TerminationMessage) and message.identity == identity:
            return message
        if isinstance(message, TerminationMessage):
            problem = problem or f"its pod speaks of {message.identity[:SHORT]}"
        elif isinstance(message, str):
            problem = problem or f"the termination message of its pod {message}"
        elif pod.exit_code == 0:
            quoted = one_line(pod.message, _QUOTED)
            problem = problem or f"its pod has left no word of a result but {quoted!r}"
    return problem


def _says_nothing(job: ObservedJob, identity: str) -> Hold:
    """Why a Job that has finished is held."""
    problem = message_of(job, identity)
    assert isinstance(problem, str)
    known = one_line(problem, _PROBLEM) or "none of its pods is left to say what it has made"
    text = (
        f"{job.what} has finished, and {known}; {job.again} "
        "(an image of a trainer that leaves no word has to be replaced in the experiment)"
    )
    return job.hold(text)


def verify(
    messages: JobMessages, results: Mapping[str, Finished], refused: Mapping[str, str]
) -> Verified:
    """Hold what MLflow has against what pods have said; `refused` says why it has no result."""
    taken: dict[str, Finished] = {}
    holds: list[Hold] = []
    for missing in messages.missing.values():
        holds += missing
    for identity, newest in messages.newest.items():
        finished = results.get(identity)
        problem = _differs(finished) if finished else refused.get(identity, "")
        if problem:
            holds.append(_not_taken(newest.job, problem))
        elif finished:
            taken[identity] = finished
    # Where MLflow could not be asked nobody is at fault: unknown without a hold of its own.
    unknown = (messages.newest.keys() - taken.keys()) | messages.missing.keys()
    return Verified(taken, frozenset(unknown), tuple(holds))


def _not_taken(job: ObservedJob, problem: str) -> Hold:
    known = one_line(problem, _PROBLEM)
    return job.hold(f"{job.what}: {known}; it is not taken: restore it in MLflow, or {job.again}")


def _differs(finished: Finished) -> str:
    """Why a receipt is not that of the pod, empty where it is."""
    if not finished.is_as_said:
        return (
            f"receipt.json of MLflow run {finished.run_id} is not what its pod has left "
            f"(SHA-256 {finished.message.receipt_sha256[:12]}...)"
        )
    result = read_result(TrainingResult, finished)
    if isinstance(result, str):
        return ""  # data, or nonsense of its own: `rules/automation/settle.py` tells which
    uri = result.artifact.uri
    if any(uri == folder or uri.startswith(f"{folder}/") for folder in finished.folders):
        return ""
    return f"its model {uri!r} does not lie below MLflow run {finished.run_id}"
