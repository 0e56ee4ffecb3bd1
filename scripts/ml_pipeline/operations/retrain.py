"""One interval of a recurring experiment: its source is read, its run proposed, followed and
promoted.

Each step is a function of the interval and of git alone. Whoever calls it, a scheduler or a person,
may be killed anywhere and call it again: what is there already is not done twice, and what a person
has taken out is not done any more.
"""

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from ml_pipeline.adapters.git.access import GitAccess
from ml_pipeline.adapters.git.reading import Reading
from ml_pipeline.adapters.git.repository import AUTOMATION, Repository, open_clone
from ml_pipeline.adapters.sources import read_source
from ml_pipeline.documents.changes import Changes
from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.faults import InvalidDocumentsError, PipelineError
from ml_pipeline.documents.recurrence import last_due
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.layout import SHORT, reference_of
from ml_pipeline.operations import Talk, silent
from ml_pipeline.operations.branches import Pen
from ml_pipeline.operations.cost import months_around
from ml_pipeline.operations.promote import Terms, promote_run
from ml_pipeline.operations.workspace import Workspace, open_branch, promotions_of
from ml_pipeline.rules.automation.branch import Branch
from ml_pipeline.rules.automation.retraining import (
    Interval,
    Standing,
    State,
    interval_message,
    interval_proposal,
    newer_runs,
    standing_in,
)
from ml_pipeline.rules.money.budgets import over_budget

POLL_SECONDS = 2.0
_ORIGIN, _WORK = "ML_PIPELINE_ORIGIN", "ML_PIPELINE_WORK"


def open_clone_of(variables: Mapping[str, str]) -> Repository:
    """A clone of one's own, for a process that nobody looks after, from its environment variables.

    ML_PIPELINE_ORIGIN is the address, ML_PIPELINE_WORK a folder that may be lost at any time,
    ML_PIPELINE_BRANCH the branch (default: main), ML_PIPELINE_CREDENTIALS the folder at which a
    Secret is mounted (default: whatever git itself has).

    Raises:
        PipelineError: a variable is missing, or the clone cannot be made.
    """
    missing = [name for name in (_ORIGIN, _WORK) if not variables.get(name)]
    if missing:
        raise PipelineError(f"{' and '.join(missing)} must be set; see docs/tasks/retrain.md")
    credentials = variables.get("ML_PIPELINE_CREDENTIALS")
    access = GitAccess(Path(credentials)) if credentials else None
    branch = variables.get("ML_PIPELINE_BRANCH") or "main"
    return open_clone(Path(variables[_WORK]) / "repository", variables[_ORIGIN], branch, access)


def open_experiment(repo: Path, name: str, remote: str | None = None) -> Workspace:
    """The branch that counts for an experiment.

    Raises:
        PipelineError: it is not there, or the clone has no such remote.
        InvalidDocumentsError: it is not valid.
    """
    workspace = open_branch(repo, remote)
    if name not in workspace.snapshot.experiments:
        known = ", ".join(workspace.snapshot.experiments) or "none"
        raise PipelineError(f"experiment {name!r} is not on the branch; known are {known}")
    environment = workspace.snapshot.written(name).environment
    return open_branch(repo, remote, environment=environment)


def due_interval(snapshot: Snapshot, name: str, moment: datetime | None = None) -> Interval:
    """The interval of an experiment that is due at a moment, or the newest that is due now.

    Raises:
        PipelineError: the experiment is not one that trains anew.
    """
    experiment = snapshot.written(name)
    if not experiment.is_recurring:
        text = (
            f"{name} has no schedule; add one, such as schedule: '@daily', to its experiment.yaml"
        )
        raise PipelineError(text)
    if moment is None:
        now = datetime.now(UTC).replace(second=0, microsecond=0)
        timezone = experiment.recurrence.timezone
        moment = last_due(experiment.schedule, timezone, now) if experiment.schedule else now
    return Interval(name, moment)


def standing(repository: Repository, interval: Interval) -> Standing:
    """How an interval stands on the branch, fetched now.

    Raises:
        PipelineError: the remote does not answer.
        InvalidDocumentsError: the experiment, or a receipt of it, is not valid.
    """
    return IntervalWatch(repository).standing(interval)


class IntervalWatch:
    """Intervals of one branch looked at again and again: only what is new is read from git."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.branch = Branch(Snapshot({}))
        """As it was looked at last."""
        self._reading = Reading(repository)

    def standing(self, interval: Interval, revision: str | None = None) -> Standing:
        """How one stands at a revision, or on the branch as it is fetched now.

        Raises:
            PipelineError: the remote does not answer.
            InvalidDocumentsError: the experiment, or a receipt of it, is not valid.
        """
        revision = revision or self.repository.fetch()
        self.branch = self._reading.at(revision)
        return _standing(self.repository, revision, self.branch.whole, interval)

    def standings(self, intervals: Iterable[Interval]) -> dict[Interval, Standing]:
        """How each stands on the branch, fetched once for all of them.

        An experiment that cannot be read is waited for, as a person mends it.

        Raises:
            PipelineError: the remote does not answer.
        """
        revision = self.repository.fetch()
        standings = {}
        for interval in intervals:
            try:
                standings[interval] = self.standing(interval, revision)
            except InvalidDocumentsError as error:
                standings[interval] = Standing(State.WAITING, str(error.faults[0]))
        return standings


def propose(repository: Repository, interval: Interval, talk: Talk = silent) -> Standing:
    """Commit which state of its source an interval trains on, and what follows from it.

    Nothing is done where that was done before, or where the interval is over.

    Raises:
        PipelineError: the source is not there, git refuses the commit, or a faulty file is in the
            way.
        UnavailableError: the source cannot be read at the moment.
        InvalidDocumentsError: the experiment is not valid, or the budget does not suffice.
    """
    watch = IntervalWatch(repository)
    before = watch.standing(interval)
    if before.state is not State.OPEN:
        return before
    # Once, before anything is planned: reading it may take long, and the branch may move meanwhile.
    experiment = watch.branch.whole.written(interval.experiment)
    source = read_source(experiment.source_at(interval.moment))
    talk(f"{source.uri} holds {source.bytes} bytes, sha256 {source.sha256[:SHORT]}")

    def plan(revision: str) -> tuple[Changes, str]:
        now = watch.standing(interval, revision)
        if now.state is not State.OPEN:
            return Changes({}), ""
        proposal = interval_proposal(watch.branch, interval, source)
        _refuse_dear(watch.branch.snapshot, proposal.after)
        return proposal.changes, interval_message(interval, source)

    repository.propose(plan, author=AUTOMATION)
    return watch.standing(interval)


def wait(repository: Repository, interval: Interval, timeout: float) -> Standing:
    """Follow an interval until its run has ended, `timeout` seconds at most."""
    watch, end = IntervalWatch(repository), time.monotonic() + timeout
    while True:
        now = watch.standings([interval])[interval]
        if now.is_over or time.monotonic() > end:
            return now
        time.sleep(POLL_SECONDS)


def promote(repository: Repository, interval: Interval, talk: Talk = silent) -> Standing:
    """Ask that the run of an interval serves, where its experiment says so and it passes its gates.

    The promotion is committed where the environment lets automation merge, and is a branch for a
    pull request elsewhere. What a person took back is not asked for again.

    Raises:
        PipelineError: git refuses the commit, or the model is not on this machine.
        InvalidDocumentsError: the run may not serve there, or the budget does not suffice.
    """
    revision = repository.fetch()
    workspace = Workspace(repository, revision, Snapshot(repository.read(revision)))
    now = _standing(repository, revision, workspace.snapshot, interval)
    target = None
    if now.state is State.SUCCEEDED:
        target = workspace.snapshot.written(interval.experiment).recurrence.promote
    if target is None or now.run is None:
        return now
    facts = workspace.environment(target)
    before = _promotion(workspace, facts, interval, now.run)
    if before:
        return before
    run = workspace.snapshot.runs_by_reference[now.run]
    branch = None
    if not facts.merges_retraining:
        branch = f"retrain/{facts.name}-{run.model}-{reference_of(now.run).id}"
    terms = Terms(environment=facts.name)
    made = promote_run(workspace, run, terms, pen=Pen(AUTOMATION, branch), talk=talk)
    if branch:
        text = f"{branch} asks that {now.run} serves in {facts.name}; open a pull request of it"
        return Standing(State.PROPOSED, text, now.run, made.revision)
    return Standing(State.PROMOTED, f"{now.run} {made.consequence}", now.run, made.revision)


def _standing(
    repository: Repository, revision: str, snapshot: Snapshot, interval: Interval
) -> Standing:
    was_proposed = interval.path in snapshot.files
    if not was_proposed:
        # The walk through the history is long: only where the file is not there.
        was_proposed = bool(repository.versions(interval.path, revision))
    return standing_in(snapshot, interval, was_proposed=was_proposed)


def _promotion(
    workspace: Workspace, facts: Environment, interval: Interval, run: str
) -> Standing | None:
    """How the promotion of a run stands; None where nobody has asked for it yet."""
    snapshot = workspace.snapshot
    model = snapshot.runs_by_reference[run].model
    promotion = snapshot.promotions.get((facts.name, model))
    if promotion and promotion.run == run:
        return Standing(State.PROMOTED, f"{run} is promoted in {facts.name} already", run)
    history = promotions_of(workspace.repository, workspace.revision, facts.name, model)
    if any(promoted.run == run for promoted in history):
        text = (
            f"{run} was promoted in {facts.name} and taken back, so it is not promoted again; "
            f"`ml-pipeline promote {run} --env {facts.name}` does, where a person wants it"
        )
        return Standing(State.WITHDRAWN, text, run)
    if promotion and promotion.run in newer_runs(snapshot, interval):
        text = f"{promotion.run}, of a newer interval, is promoted in {facts.name}"
        return Standing(State.SUPERSEDED, text, run)
    return None


def _refuse_dear(before: Snapshot, after: Snapshot) -> None:
    """Refuse an interval for which the environment's budget does not suffice.

    Raises:
        InvalidDocumentsError: it does not.
    """
    faults = over_budget(after, *months_around(before, after))
    if faults:
        raise InvalidDocumentsError(faults)
