"""What automation commits next: receipts of what has finished, the overlays that follow, and the next rollout steps.

Pure: a branch and what was observed in, commits out. Where something is not known or not sound, nothing is planned for it,
and everything else goes on. A commit changes what its own receipt changes; what else has drifted comes in one at the end.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from pydantic import ValidationError

from ml_pipeline.documents.changes import Changes, Step
from ml_pipeline.documents.faults import Fault, InvalidDocumentsError
from ml_pipeline.documents.fields import one_line
from ml_pipeline.documents.reader import kind_of
from ml_pipeline.documents.receipts import DataVersion, Run
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.layout import SHORT
from ml_pipeline.rules.automation.branch import Branch, is_of_a_job, short_of
from ml_pipeline.rules.automation.observed import Hold, Observed
from ml_pipeline.rules.automation.settle import Settled, settle
from ml_pipeline.rules.identity.awaited import awaited_identity
from ml_pipeline.rules.money.estimates import History
from ml_pipeline.rules.render.serving import opened_rollouts
from ml_pipeline.rules.review.faults import check
from ml_pipeline.rules.rollout.steps import rollout_step


@dataclass(frozen=True)
class Plan:
    """The commits to make now, in order, each on top of the one before; the branch that they leave; what is left alone."""

    steps: tuple[Step, ...]
    held: tuple[Hold, ...]
    branch: Branch


def plan(snapshot: Snapshot, observed: Observed) -> list[Step]:
    """The commits to make now, in order, each on top of the one before."""
    return list(make_plan(Branch(snapshot), observed).steps)


def make_plan(branch: Branch, observed: Observed) -> Plan:
    """The commits to make now, and what is left alone."""
    held = (*branch.holds(observed.environment), *observed.held)
    if branch.is_held(observed.environment):
        return Plan((), held, branch)
    draft = _Draft(branch.snapshot, observed)
    for identity, names in _groups(branch, observed.environment).items():
        draft.settle(branch, identity, names)
    branch = draft.onto(branch)
    leftover, unrendered = branch.drift(observed.environment)
    draft.held += unrendered
    if leftover:
        draft.take(
            Step(
                leftover,
                "Bring training overlays up to date",
                "Settled runs have no overlay, and every awaited one has its current overlay.",
            )
        )
    for step in _rollouts(draft):
        draft.take(step)
    return Plan(tuple(draft.steps), (*held, *draft.held), draft.onto(branch))


@dataclass
class _Draft:
    """The steps so far and the documents that they leave. `landed` counts the steps that a branch has been told of."""

    snapshot: Snapshot
    observed: Observed
    steps: list[Step] = field(default_factory=list)
    held: list[Hold] = field(default_factory=list)
    landed: int = 0

    def __post_init__(self) -> None:
        self.history = History(self.snapshot)

    @cached_property
    def overlays(self) -> dict[str, list[str]]:
        """Files of the overlays that there were before the first step, by the short identity of what each makes."""
        found: dict[str, list[str]] = {}
        for path in self.snapshot.files:
            if is_of_a_job(path, self.observed.environment):
                found.setdefault(short_of(path), []).append(path)
        return found

    def settle(self, branch: Branch, identity: str, names: list[str]) -> None:
        """Add the step that settles what some experiments wait for, if it has ended."""
        experiment = self.snapshot.experiments[names[0]]
        found = settle(
            self.snapshot, experiment, identity, observed=self.observed, history=self.history
        )
        if found is None:
            return
        write = {found.path: found.raw}
        if isinstance(found.document, Run) and found.document.outcome == "succeeded":
            write |= opened_rollouts(self.snapshot, found.document.model)
        delete = frozenset(self.overlays.get(identity[:SHORT], ()))
        if isinstance(found.document, DataVersion):
            write |= self._next_overlays(branch, self.snapshot.after(Changes(write, delete)), names)
        if self.take(Step(Changes(write, delete), found.subject, found.reason)):
            self.history = self.history.after(self.snapshot, _runs(found))

    def take(self, step: Step) -> bool:
        """Add a step, unless it would put something on the branch that nobody can read."""
        after = self.snapshot.after(step.changes)
        faults = _faults_of(after, step.changes.write)
        if faults:
            text = f"{step.subject}: would write what is not valid, {faults[0]}; please report this"
            self.held.append(Hold(faults[0].path, text))
            return False
        self.steps.append(step)
        self.snapshot = after
        return True

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
        return branch.after(write, delete - write.keys()) if write or delete else branch

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
                write |= branch.overlay(after, name)
            except InvalidDocumentsError:
                continue  # the drift at the end says which file is in the way
        return write


def _groups(branch: Branch, environment: str) -> dict[str, list[str]]:
    """The experiments of an environment that wait for each identity."""
    found: dict[str, list[str]] = {}
    for name, identity in branch.pending.items():
        if branch.snapshot.experiments[name].environment == environment:
            found.setdefault(identity, []).append(name)
    return found


def _rollouts(draft: _Draft) -> Iterator[Step]:
    """The next step of each rollout; what was measured of one model may be nonsense and stops no other."""
    for model, status in draft.observed.serving.items():
        try:
            step = rollout_step(draft.snapshot, draft.observed.environment, model, status)
        except (InvalidDocumentsError, ValidationError, LookupError, TypeError) as error:
            text = (
                f"its rollout is not moved: {one_line(str(error), 200)}; see `ml-pipeline status`"
            )
            draft.held.append(Hold(f"model {model}", text))
            continue
        if step:
            yield step


def _runs(found: Settled) -> list[str]:
    return [found.path] if isinstance(found.document, Run) else []


def _faults_of(snapshot: Snapshot, paths: Iterable[str]) -> list[Fault]:
    """Every fault of some files that are about to be written."""
    try:
        return check(snapshot, [path for path in paths if kind_of(path) or "/rollouts/" in path])
    except InvalidDocumentsError as error:
        return list(error.faults)
