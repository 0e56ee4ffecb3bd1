"""From an interval of a recurring experiment to the state of its source in git, and how it stands.

An interval is worked on once. What git holds of it decides everything: its file says that it was
proposed, a file that was taken out says that a person does not want it, receipts say how it ended.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ml_pipeline.documents.changes import Changes
from ml_pipeline.documents.data_snapshot import DataSnapshot
from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.fields import API_VERSION
from ml_pipeline.documents.receipts import Run
from ml_pipeline.documents.recurrence import interval_of
from ml_pipeline.documents.snapshot import Snapshot, on_data
from ml_pipeline.documents.writer import to_document
from ml_pipeline.layout import SHORT, data_snapshot_path, experiment_path, stem_of
from ml_pipeline.rules.automation.branch import Branch
from ml_pipeline.rules.identity.awaited import settled_by
from ml_pipeline.rules.identity.hashes import data_identity
from ml_pipeline.rules.rollout.gates import failures


@dataclass(frozen=True)
class Interval:
    """One turn of an experiment's schedule, named after the moment in UTC at which it is due."""

    experiment: str
    moment: datetime

    @property
    def name(self) -> str:
        """The name of its file, such as `20260131T1200Z`."""
        return interval_of(self.moment)

    @property
    def path(self) -> str:
        """Where its state of the source is kept."""
        return data_snapshot_path(self.experiment, self.name)


@dataclass(frozen=True)
class SourceState:
    """What a source held when it was read: its address, digest and size in bytes."""

    uri: str
    sha256: str
    bytes: int


class State(StrEnum):
    """How an interval stands."""

    OPEN = "open"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"
    GONE = "gone"
    PROPOSED = "proposed"
    PROMOTED = "promoted"


# Nothing more happens by itself: only a person's commit leads out of these.
_OVER = frozenset(State) - {State.OPEN, State.WAITING}


@dataclass(frozen=True)
class Standing:
    """How an interval stands, why in one line, and its run `experiment/id` once that has ended."""

    state: State
    reason: str
    run: str | None = None
    commit: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens to it by itself."""
        return self.state in _OVER


def standing_in(snapshot: Snapshot, interval: Interval, *, was_proposed: bool) -> Standing:
    """How an interval stands by the documents of the branch.

    `was_proposed` says whether the branch ever held its file.
    """
    name = interval.experiment
    if name not in snapshot.experiments:
        return Standing(State.GONE, f"experiment {name} is not on the branch any more")
    experiment = snapshot.written(name)
    if not experiment.is_recurring:
        return Standing(State.GONE, f"{name} has no schedule any more")
    if interval.path not in snapshot.files:
        if was_proposed:
            return Standing(
                State.WITHDRAWN,
                f"a person has taken {interval.path} out, so it is not proposed again; "
                "restore that file from git to train on it",
            )
        return _not_proposed(snapshot, experiment, interval)
    return _proposed(snapshot, experiment, interval)


def _not_proposed(snapshot: Snapshot, experiment: Experiment, interval: Interval) -> Standing:
    newest = _newest(snapshot, experiment)
    if newest > interval.name:
        return _superseded(newest)
    return Standing(State.OPEN, "nothing is proposed yet")


def _proposed(snapshot: Snapshot, experiment: Experiment, interval: Interval) -> Standing:
    mine = on_data(experiment, snapshot.data_snapshot(interval.path))
    prepared = snapshot.data.get(data_identity(mine))
    if prepared and prepared.data is None:
        return Standing(State.FAILED, f"its data could not be prepared: {prepared.reason}")
    run = settled_by(snapshot, mine)
    if run:
        return _ended(run)
    newest = _newest(snapshot, experiment)
    if newest > interval.name:
        return _superseded(newest)
    what = "its run has not ended yet" if prepared else "its data is not prepared yet"
    return Standing(State.WAITING, what)


def _newest(snapshot: Snapshot, experiment: Experiment) -> str:
    path = snapshot.newest_data(experiment)
    return stem_of(path) if path else ""


def _superseded(newest: str) -> Standing:
    text = f"interval {newest} came before it had trained, and an experiment trains on its newest"
    return Standing(State.SUPERSEDED, text)


def _ended(run: Run) -> Standing:
    if run.outcome != "succeeded":
        return Standing(State.FAILED, run.reason or "its run failed", run.reference)
    lacking = failures(run.gates)
    if lacking:
        return Standing(State.FAILED, f"gates failed: {'; '.join(lacking)}", run.reference)
    return Standing(State.SUCCEEDED, "its run passes every gate", run.reference)


def newer_runs(snapshot: Snapshot, interval: Interval) -> set[str]:
    """The runs `experiment/id` of later intervals of the same experiment, as far as they ended."""
    experiment = snapshot.written(interval.experiment)
    references = set()
    for path in snapshot.data_snapshots_of(interval.experiment):
        if stem_of(path) > interval.name:
            run = settled_by(snapshot, on_data(experiment, snapshot.data_snapshot(path)))
            if run:
                references.add(run.reference)
    return references


@dataclass(frozen=True)
class IntervalProposal:
    """What proposes an interval, its file and the overlays that follow from it; and the documents
    that are acted on then."""

    changes: Changes
    after: Snapshot


def interval_proposal(branch: Branch, interval: Interval, source: SourceState) -> IntervalProposal:
    """The proposal of an interval that trains on a state of its source.

    Raises:
        PipelineError: the experiment is left alone because of a faulty file.
    """
    document = DataSnapshot(
        apiVersion=API_VERSION,
        kind="DataSnapshot",
        experiment=interval.experiment,
        interval=interval.name,
        uri=source.uri,
        sha256=source.sha256,
        bytes=source.bytes,
    )
    written = Changes({interval.path: to_document(interval.path, document)})
    after = branch.after(written)
    experiment = after.snapshot.experiments.get(interval.experiment)
    if experiment is None:
        faulty = after.held_by(experiment_path(interval.experiment))
        text = f"{interval.experiment} is left alone until {faulty} is mended"
        raise PipelineError(f"{text}; `ml-pipeline status` says what is wrong with it")
    changes = written | after.drift(experiment.environment).changes
    return IntervalProposal(changes, after.snapshot)


def interval_message(interval: Interval, source: SourceState) -> str:
    """The message of the commit that proposes an interval."""
    return (
        f"Retrain {interval.experiment} for {interval.name}\n\n"
        f"{source.uri} held {source.bytes} bytes, sha256 {source.sha256[:SHORT]}.\n"
    )
