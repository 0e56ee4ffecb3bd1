"""A result counts where the Job's own pod says so: MLflow is open to whoever reaches it, the pod's status is not.

The trainer writes into its termination message which MLflow run holds its receipt, and the SHA-256 of that. The kubelet
keeps it in the pod's status, the embedded environment in the pod's record; both come here as `SeenJob`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ml_pipeline.documents.fields import one_line
from ml_pipeline.documents.results import Finished, TrainingResult, Word, read_result, read_word
from ml_pipeline.layout import SHORT
from ml_pipeline.rules.automation.observed import Hold

_TO_THE_MINUTE = 16
# Characters of a line, and of what is wrong, so that the way out has room.
_LONGEST, _PROBLEM = 900, 250
_QUOTED = 60  # characters of a message that are shown


@dataclass(frozen=True)
class PodEnd:
    """A pod that has ended: its exit code, and the termination message that it has left."""

    exit_code: int
    message: str


@dataclass(frozen=True)
class SeenJob:
    """A Job with the pods of it that have ended, newest last. `identity` is the short one of what it makes; `ended` is when
    it ended, empty where it has not; `again` is how a person has it run once more."""

    name: str
    identity: str
    is_complete: bool
    ended: str
    again: str
    pods: tuple[PodEnd, ...] = ()

    @property
    def what(self) -> str:
        """How it is named among what is held."""
        return f"Job {self.name}"

    def hold(self, text: str) -> Hold:
        """Why its result is not taken, since its end."""
        return Hold(
            self.what, one_line(text, _LONGEST), self.ended[:_TO_THE_MINUTE].replace("T", " ")
        )


@dataclass(frozen=True)
class Said:
    """What a Job has said, by the last of its pods that said anything."""

    job: SeenJob
    word: Word


@dataclass
class Heard:
    """What Jobs have said of awaited identities, by identity; and why those are held of which none has said
    anything of use."""

    said: dict[str, Said] = field(default_factory=dict)
    silent: dict[str, list[Hold]] = field(default_factory=dict)

    @property
    def words(self) -> dict[str, Word]:
        """What pods have said, by identity."""
        return {identity: said.word for identity, said in self.said.items()}


@dataclass(frozen=True)
class Vouched:
    """Results that are what a pod has said; what MLflow does not show, or shows otherwise."""

    results: dict[str, Finished]
    unknown: frozenset[str]
    held: tuple[Hold, ...]


def hear(jobs: Iterable[SeenJob], awaited: Iterable[str]) -> Heard:
    """What the Jobs of awaited identities have said. A Job that has finished without a word is held, as long as no other Job
    of the same identity can still say one."""
    by_identity: dict[str, list[SeenJob]] = {}
    for job in jobs:
        by_identity.setdefault(job.identity, []).append(job)
    heard = Heard()
    for identity in sorted(awaited):
        mine = by_identity.get(identity[:SHORT], [])
        said = [Said(job, word) for job in mine if isinstance(word := word_of(job, identity), Word)]
        if said:
            # Of several Jobs for one run that which goes on, or has ended last, has seen what the others left.
            heard.said[identity] = max(said, key=lambda one: one.job.ended or "z")
        elif mine and all(job.ended for job in mine):
            holds = [_silent(job, identity) for job in mine if job.is_complete]
            if holds:
                heard.silent[identity] = holds
    return heard


def word_of(job: SeenJob, identity: str) -> Word | str:
    """What the newest pod that says anything of a result says; else why that is nothing, empty where no pod is left. A try
    that was killed after its word counts: it had left its receipt before."""
    problem = ""
    for pod in reversed(job.pods):
        word = read_word(pod.message)
        if isinstance(word, Word) and word.identity == identity:
            return word
        if isinstance(word, Word):
            problem = problem or f"its pod speaks of {word.identity[:SHORT]}"
        elif isinstance(word, str):
            problem = problem or f"the termination message of its pod {word}"
        elif pod.exit_code == 0:
            quoted = one_line(pod.message, _QUOTED)
            problem = problem or f"its pod has left no word of a result but {quoted!r}"
    return problem


def vouch(heard: Heard, results: Mapping[str, Finished], refused: Mapping[str, str]) -> Vouched:
    """Hold what MLflow has against what pods have said; `refused` is why MLflow does not give a result."""
    found: dict[str, Finished] = {}
    held = [hold for holds in heard.silent.values() for hold in holds]
    for identity, said in heard.said.items():
        finished = results.get(identity)
        problem = refused.get(identity, "") if finished is None else _differs(finished)
        if problem:
            known = one_line(problem, _PROBLEM)
            text = f"{said.job.what}: {known}; it is not taken: restore it in MLflow, or {said.job.again}"
            held.append(said.job.hold(text))
        elif finished:
            found[identity] = finished
    lacking = (heard.said.keys() - found.keys()) | heard.silent.keys()
    return Vouched(found, frozenset(lacking), tuple(held))


def _silent(job: SeenJob, identity: str) -> Hold:
    problem = word_of(job, identity)
    assert isinstance(problem, str)
    known = one_line(problem, _PROBLEM) or "none of its pods is left to say what it has made"
    text = (
        f"{job.what} has finished, and {known}; {job.again} "
        "(an image of a trainer that leaves no word has to be replaced in the experiment)"
    )
    return job.hold(text)


def _differs(finished: Finished) -> str:
    """Why a receipt is not that of the pod, empty where it is."""
    if not finished.is_as_said:
        return (
            f"receipt.json of MLflow run {finished.run_id} is not what its pod has left "
            f"(SHA-256 {finished.word.receipt_sha256[:12]}...)"
        )
    result = read_result(TrainingResult, finished)
    if isinstance(result, str):
        return ""  # data, or nonsense of its own: `rules/automation/settle.py` tells which
    uri = result.artifact.uri
    if any(uri == folder or uri.startswith(f"{folder}/") for folder in finished.folders):
        return ""
    return f"its model {uri!r} does not lie below MLflow run {finished.run_id}"
