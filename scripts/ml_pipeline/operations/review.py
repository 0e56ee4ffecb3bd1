"""The whole answer to a pull request: every check, what the merge does, every object it changes."""

import gc
import re
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ml_pipeline.adapters.git.comparison import Comparison, between, with_working_tree
from ml_pipeline.adapters.git.revisions import Revisions
from ml_pipeline.documents.faults import Fault, InvalidDocumentsError, PipelineError
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.layout import experiments_of, is_automations, own_place
from ml_pipeline.operations import Talk, silent
from ml_pipeline.operations.bases import TEAMS, base_of, made_here
from ml_pipeline.operations.cost import advice_for, advice_lines, left, this_month
from ml_pipeline.operations.diff import (
    Builds,
    Difference,
    builds_of,
    changed_objects,
    consequences_of,
    own_consequences,
)
from ml_pipeline.operations.policy import policy_faults
from ml_pipeline.rules.kustomize.kustomizations import changed_units
from ml_pipeline.rules.money.budgets import Month, months, over_budget
from ml_pipeline.rules.money.estimates import History
from ml_pipeline.rules.money.waiting import Waiting
from ml_pipeline.rules.render.drift import drift_within
from ml_pipeline.rules.render.reach import Reach, reach_of
from ml_pipeline.rules.review.closed_world import place_faults
from ml_pipeline.rules.review.comment import Check
from ml_pipeline.rules.review.consequence import Consequence, in_order
from ml_pipeline.rules.review.consequences import object_consequences
from ml_pipeline.rules.review.diff import ObjectChange
from ml_pipeline.rules.review.faults import refuse_faults
from ml_pipeline.rules.review.traffic import gate_lines
from ml_pipeline.rules.review.two_pens import hand_written

PLACE = re.compile(r"(?P<path>(?:experiments|environments|base)/.+?):(?P<line>\d+): ")
"""How a finding begins that names a line of a file."""
_RENDER = "run `ml-pipeline render` and commit what it writes"


@dataclass(frozen=True)
class Merge:
    """What is looked at before it is done: a head, or without one the working tree, and a base.

    Without a base, it is the team's branch, or for a working tree the one that `base_of` finds.
    """

    base: str = ""
    head: str | None = None


@dataclass(frozen=True)
class Review:
    """What was checked, and what the merge does.

    `notes` are lines on gates and budgets, `hints` on what would be cheaper.
    """

    checks: tuple[Check, ...]
    difference: Difference
    notes: tuple[str, ...]
    hints: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether every check does."""
        return all(check.holds for check in self.checks)

    @property
    def crashed(self) -> bool:
        """Whether a check ended in a bug of ours."""
        return any(check.crashed for check in self.checks)


def review(repo: Path, merge: Merge, *, talk: Talk = silent) -> Review:
    """Check everything that a merge would change.

    With a head both sides are read from git's objects alone, and the working tree may hold
    whatever it does.

    Raises:
        PipelineError: this is no git repository, or it has no such base or head.
    """
    # A head is somebody else's: nothing is fetched for it, and none of its objects replaced.
    revisions = Revisions(repo, alone=merge.head is not None)
    merge = _named(revisions, merge, talk)
    answer = _Answer(talk)
    with _without_collector():
        _look(answer, revisions, merge)
    return answer.whole()


@dataclass
class _Attempt:
    """A check while it is made: its findings, and a note on what holds; `holds` at its end."""

    findings: Iterable[Fault | str] = ()
    note: str = ""
    holds: bool = False


class _Answer:
    """What is found out, check by check; one that fails takes nothing from the others."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._checks: list[Check] = []
        self.consequences: list[Consequence] = []
        self.objects: list[ObjectChange] = []
        self.notes: list[str] = []
        self.hints: list[str] = []

    def whole(self) -> Review:
        """All of it."""
        difference = Difference(tuple(self.consequences), tuple(self.objects))
        return Review(tuple(self._checks), difference, tuple(self.notes), tuple(self.hints))

    @contextmanager
    def check(self, name: str) -> Iterator[_Attempt]:
        """One check; whatever goes wrong inside the block is its finding, and ends the block."""
        attempt = _Attempt()
        try:
            yield attempt
            # Still inside the try: findings may be found only when they are asked for.
            check = Check(name, tuple(map(str, attempt.findings)), attempt.note)
        except InvalidDocumentsError as error:
            new = self._not_said_yet(error)
            if not new:
                # No check that holds either: `attempt.holds` stays false, and what follows waits.
                return
            check = Check(name, new)
        except PipelineError as error:
            check = _refused(name, error)
        except Exception as error:  # noqa: BLE001  a bug must not take the comment with it
            self._talk(_report(name))
            no_answer = f"{type(error).__name__}: {error}"
            check = Check(name, no_answer=no_answer, crashed=True)
        self._checks.append(check)
        attempt.holds = check.holds

    def _not_said_yet(self, error: InvalidDocumentsError) -> tuple[str, ...]:
        """Several checks read the same document: what is wrong with it is said once."""
        said = {finding for check in self._checks for finding in check.findings}
        return tuple(finding for finding in map(str, error.faults) if finding not in said)


def _refused(name: str, error: PipelineError) -> Check:
    """An error at a line of a file is a finding to mend; any other is why there is no answer."""
    text = str(error).replace("\n", " ")
    return Check(name, (text,)) if PLACE.match(text) else Check(name, no_answer=text)


def _report(name: str) -> str:
    lines = traceback.format_exc()
    return f"this is a bug in the check of {name}; please report it with these lines:\n{lines}"


@contextmanager
def _without_collector() -> Iterator[None]:
    """What a review reads stays until its end.

    To look again and again for garbage among it takes a tenth of the time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@dataclass(frozen=True)
class _Sides:
    """Both revisions, what their experiments wait for, and how far the change reaches."""

    merge: Merge
    revisions: Revisions
    compared: Comparison
    before: Snapshot
    after: Snapshot
    past: Waiting
    waiting: Waiting
    reach: Reach

    @classmethod
    def of(cls, merge: Merge, revisions: Revisions, compared: Comparison) -> "_Sides":
        """Nothing is read yet."""
        after = Snapshot(compared.after)
        before = after.beside(compared.before, compared.changed)
        reach = reach_of(compared.changed, code=compared.code_differs)
        waiting = Waiting(after)
        past = Waiting(before)
        if not reach.everything:
            # The experiments that do not differ wait for the same on both sides: asked once.
            past = Waiting(before, waiting, experiments_of(compared.changed))
        return cls(merge, revisions, compared, before, after, past, waiting, reach)


def _look(answer: _Answer, revisions: Revisions, merge: Merge) -> None:
    """Make every check that can be made; without both revisions there is nothing to look at."""
    with answer.check("revisions") as attempt:
        compared = _compared(revisions, merge)
    if not attempt.holds:
        return
    with builds_of(compared) as builds:
        sides = _Sides.of(merge, revisions, compared)
        _check(answer, sides, builds)
        _compare(answer, sides, builds)


def _named(revisions: Revisions, merge: Merge, talk: Talk) -> Merge:
    """The merge with a base, where both of its revisions are there."""
    if not merge.base:
        merge = replace(merge, base=base_of(revisions, talk) if merge.head is None else TEAMS)
    for name in (merge.base, merge.head):
        if name is not None:
            revisions.revision(name)
    return merge


def _compared(revisions: Revisions, merge: Merge) -> Comparison:
    if merge.head is None:
        return with_working_tree(revisions, revisions.fork_point(merge.base))
    fork = revisions.fork_point(merge.base, merge.head)
    return between(revisions, fork, revisions.revision(merge.head))


def _check(answer: _Answer, sides: _Sides, builds: Builds) -> None:
    """Whether the merge may be done.

    Without valid documents there is nothing to render, to judge, or to pay.
    """
    with answer.check("places") as attempt:
        attempt.findings = place_faults(sides.compared.after)
    with answer.check("automation's files") as attempt:
        attempt.findings = _hand_written(sides)
    with answer.check("documents") as documents:
        refuse_faults(sides.after, sides.reach.documents(sides.after))
        documents.note = _counted(sides.after)
    if not documents.holds:
        return
    with answer.check("rendered files") as attempt:
        attempt.findings = _stale(sides)
        attempt.note = "current"
    with answer.check("policies") as attempt:
        attempt.findings = _policies(sides, builds)
        attempt.note = "kept"
    with answer.check("budgets") as attempt:
        attempt.findings = _budgets(answer, sides)
        attempt.note = "kept"


def _compare(answer: _Answer, sides: _Sides, builds: Builds) -> None:
    """What the merge does; of what a check has found wrong above, as much as can be told."""
    changed = sides.compared.changed
    with answer.check("consequences"):
        answer.consequences = consequences_of(sides.merge.base, sides.before, sides.after, changed)
        # In front of what the budgets have noted above: the reader decides by the gates.
        answer.notes = [*gate_lines(sides.after, changed), *answer.notes]
    with answer.check("people's own places"):
        kept = own_consequences(sides.compared, builds)
        answer.consequences = in_order([*answer.consequences, *kept])
    with answer.check("objects"):
        answer.objects = changed_objects(sides.compared, builds)
        refused = object_consequences(answer.objects, changed)
        answer.consequences = in_order([*answer.consequences, *refused])


def _hand_written(sides: _Sides) -> Iterable[Fault]:
    """Files of automation that the change writes, but for those that it puts back as they were."""
    before, after = sides.compared.before, sides.compared.after
    written = [path for path in sides.compared.changed if is_automations(path) and path in after]
    # A person's revert puts such files back: by their contents, which the base has had before.
    contents = {path: after[path] for path in written}
    base = sides.revisions.revision(sides.merge.base)
    restored = sides.revisions.restored(base, contents)
    foreign = {path: raw for path, raw in contents.items() if path not in restored}
    # Of a head nothing is asked but what the team's branch says.
    made = made_here(sides.revisions, foreign) if sides.merge.head is None else {}
    return hand_written(before, after, foreign, made)


def _counted(snapshot: Snapshot) -> str:
    counts = {
        "experiment": len(snapshot.experiments),
        "promotion": len(snapshot.promotions),
        "environment": len(snapshot.environments),
    }
    return ", ".join(
        f"{count} {kind}" if count == 1 else f"{count} {kind}s" for kind, count in counts.items()
    )


def _stale(sides: _Sides) -> list[str]:
    changes = drift_within(sides.after, sides.reach, sides.waiting, sides.past)
    findings = []
    for path in sorted({*changes.write, *changes.delete}):
        state = "stale" if path in sides.after.files else "missing"
        findings.append(f"{path}:1: is {state}; {_RENDER}")
    return findings


def _policies(sides: _Sides, builds: Builds) -> Iterable[Fault]:
    if sides.reach.everything:
        return policy_faults(sides.after, builds.after).faults
    # A build follows from its files, its environment and base/: the others are judged as before.
    compared = sides.compared
    _, built = changed_units(compared.before, compared.after, compared.changed)
    own = {place for place in map(own_place, compared.changed) if place}
    return policy_faults(sides.after, builds.after, built | own).faults


def _budgets(answer: _Answer, sides: _Sides) -> list[Fault]:
    """Faults of budgets.

    What is left of those that are touched, and advice on what is new, go into the answer.
    """
    history, month = History(sides.after), this_month()
    new = months(sides.after, history, month, sides.waiting)
    old = _months_before(sides, history, month)
    answer.notes = [left(now) for name, now in new.items() if _is_touched(old.get(name), now)]
    answer.hints = advice_lines(advice_for(sides.after, history, sorted(_new_runs(old, new))))
    return over_budget(sides.after, old, new)


def _is_touched(old: Month | None, now: Month) -> bool:
    return old is None or (now.expected, now.limit) != (old.expected, old.limit)


def _new_runs(old: Mapping[str, Month], new: Mapping[str, Month]) -> set[str]:
    """Experiments that wait for something now and did not before."""
    names: set[str] = set()
    for environment, now in new.items():
        before = old.get(environment)
        names |= now.waiting.keys() - (before.waiting.keys() if before else set())
    return names


def _months_before(sides: _Sides, history: History, month: str) -> Mapping[str, Month]:
    """Budgets of the base.

    There are none where it holds a document that cannot be read, which this change may be about
    to repair.
    """
    # Where no receipt differs, one history tells of both sides, and is read once.
    known = History(sides.before) if sides.reach.everything else history
    try:
        return months(sides.before, known, month, sides.past)
    except InvalidDocumentsError:
        return {}
