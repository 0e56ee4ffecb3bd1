"""What automation commits next: receipts of what has finished, the overlays that follow, and the
next rollout steps.

Pure: a branch and what was observed in, commits out. Where something is not known or not sound,
nothing is planned for it, and everything else goes on. A commit changes what its own receipt
changes; what else has drifted comes in one at the end.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from pydantic import ValidationError

from ml_pipeline.documents.changes import Changes, Step
from ml_pipeline.documents.faults import Fault, InvalidDocumentsError
from ml_pipeline.documents.fields import one_line
from ml_pipeline.documents.reader import kind_of
from ml_pipeline.documents.receipts import DataVersion, Run
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.layout import SHORT, is_of_a_job, is_of_a_rollout, short_of
from ml_pipeline.rules.automation.branch import Branch
from ml_pipeline.rules.automation.observed import Hold, Observed
from ml_pipeline.rules.automation.settle import Settled, settle
from ml_pipeline.rules.identity.awaited import awaited_identity
from ml_pipeline.rules.money.estimates import History
from ml_pipeline.rules.render.serving import opened_rollouts
from ml_pipeline.rules.review.faults import document_faults
from ml_pipeline.rules.rollout.steps import rollout_step

_PROBLEM = 200  # characters of why a rollout is not moved


@dataclass(frozen=True)
class Plan:
    """The commits to make now, in order, each on top of the one before; what is left alone; and the
    branch that they leave."""

    steps: tuple[Step, ...]
    holds: tuple[Hold, ...]
    branch: Branch


def plan(snapshot: Snapshot, observed: Observed) -> list[Step]:
    """The commits to make now, in order, each on top of the one before."""
    return list(make_plan(Branch(snapshot), observed).steps)


def make_plan(branch: Branch, observed: Observed) -> Plan:
    """The commits to make now, and what is left alone."""
    environment = observed.environment
    holds = (*branch.holds(environment), *observed.holds)
    if branch.is_held(environment):
        return Plan((), holds, branch)
    draft = _Draft(branch.snapshot, observed)
    # A receipt changes which overlays there are to be, so drift is that of the branch which the
    # receipts leave.
    for identity, names in branch.experiments_awaiting(environment).items():
        draft.settle(branch, identity, names)
    branch = draft.onto(branch)
    draft.take_drift(branch)
    draft.move_rollouts()
    return Plan(tuple(draft.steps), (*holds, *draft.holds), draft.onto(branch))


@dataclass
class _Draft:
    """The steps so far and the documents that they leave.

    `landed` counts the steps that a branch has been told of.
    """

    snapshot: Snapshot
    observed: Observed
    steps: list[Step] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    landed: int = 0

    def __post_init__(self) -> None:
        self.history = History(self.snapshot)

    @cached_property
    def overlays(self) -> dict[str, list[str]]:
        """Files of the overlays that there were before the first step, by the short identity of
        what each makes."""
        overlays: dict[str, list[str]] = {}
        for path in self.snapshot.files:
            if is_of_a_job(path, self.observed.environment):
                overlays.setdefault(short_of(path), []).append(path)
        return overlays

    def settle(self, branch: Branch, identity: str, names: list[str]) -> None:
        """Add the step that settles what some experiments wait for, if it has ended."""
        experiment = self.snapshot.experiments[names[0]]
        settled = settle(
            self.snapshot, experiment, identity, observed=self.observed, history=self.history
        )
        if settled is None:
            return
        changes = self._changes(branch, settled, names)
        if not self.take(Step(changes, settled.subject, settled.reason)):
            return
        runs = [settled.path] if isinstance(settled.document, Run) else []
        self.history = self.history.after(self.snapshot, runs)

    def take(self, step: Step) -> bool:
        """Add a step, unless it would put something on the branch that nobody can read."""
        after = self.snapshot.after(step.changes)
        faults = _faults_of(after, step.changes.write)
        if faults:
            text = f"{step.subject}: would write what is not valid, {faults[0]}; please report this"
            self.holds.append(Hold(faults[0].path, text))
            return False
        self.steps.append(step)
        self.snapshot = after
        return True

    def take_drift(self, branch: Branch) -> None:
        """Add the step that brings all other training overlays up to date."""
        drift = branch.drift(self.observed.environment)
        self.holds += drift.holds
        if drift.changes:
            subject = "Bring training overlays up to date"
            reason = "Settled runs have no overlay, and every awaited one has its current overlay."
            self.take(Step(drift.changes, subject, reason))

    def move_rollouts(self) -> None:
        """Add the next step of each rollout; what was measured of one model may be nonsense and
        stops no other."""
        for model, status in self.observed.serving.items():
            try:
                step = rollout_step(self.snapshot, self.observed.environment, model, status)
            except (InvalidDocumentsError, ValidationError, LookupError, TypeError) as error:
                known = one_line(str(error), _PROBLEM)
                text = f"its rollout is not moved: {known}; see `ml-pipeline status`"
                self.holds.append(Hold(f"model {model}", text))
                continue
            if step:
                self.take(step)

    def onto(self, branch: Branch) -> Branch:
        """The branch after the steps that it does not have yet."""
        write: dict[str, bytes] = {}
        delete: set[str] = set()
        for step in self.steps[self.landed :]:
            for path in step.changes.delete:
                write.pop(path, None)
            delete |= step.changes.delete
            write |= step.changes.write
        self.landed = len(self.steps)
        changes = Changes(write, frozenset(delete - write.keys()))
        return branch.after(changes) if changes else branch

    def _changes(self, branch: Branch, settled: Settled, names: list[str]) -> Changes:
        """A receipt and what follows from it: the overlay goes, and others come."""
        document = settled.document
        write = {settled.path: settled.raw}
        if isinstance(document, Run) and document.outcome == "succeeded":
            write |= opened_rollouts(self.snapshot, document.model)
        delete = frozenset(self.overlays.get(document.identity[:SHORT], ()))
        if isinstance(document, DataVersion):
            write |= self._next_overlays(branch, self.snapshot.after(Changes(write, delete)), names)
        return Changes(write, delete)

    def _next_overlays(self, branch: Branch, after: Snapshot, names: list[str]) -> dict[str, bytes]:
        """Overlays of the runs that the experiments wait for, now that their data is there."""
        write: dict[str, bytes] = {}
        claimed = set()
        for name in names:
            identity = awaited_identity(after, after.experiments[name])
            if identity is None or identity in claimed or self.overlays.get(identity[:SHORT]):
                continue
            claimed.add(identity)
            try:
                write |= branch.renderer.overlay(after, name)
            except InvalidDocumentsError:
                continue  # the drift at the end says which file is in the way
        return write


def _faults_of(snapshot: Snapshot, paths: Iterable[str]) -> list[Fault]:
    """Every fault of some files that are about to be written."""
    judged = [path for path in paths if kind_of(path) or is_of_a_rollout(path)]
    try:
        return document_faults(snapshot, judged)
    except InvalidDocumentsError as error:
        return list(error.faults)
