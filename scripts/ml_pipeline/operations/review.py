"""`ml-pipeline review`: the whole answer to a pull request, as a comment, as text, and as annotations on the changed lines."""

import gc
import re
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ml_pipeline.adapters.files import refuse_no_file, write_answer
from ml_pipeline.adapters.git.revisions import Comparison, Revisions
from ml_pipeline.commands import console
from ml_pipeline.documents.escape import line
from ml_pipeline.documents.faults import Fault, InvalidDocumentsError, PipelineError
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.layout import experiments_of, is_automations, own_place
from ml_pipeline.operations.cost import advice_lines, hints_for, left, this_month
from ml_pipeline.operations.diff import (
    Builds,
    as_data,
    builds_of,
    changed_objects,
    own_consequences,
    told_of,
)
from ml_pipeline.operations.diff import text as diff_text
from ml_pipeline.operations.policy import policy_faults
from ml_pipeline.rules.kustomize.kustomizations import changed_units
from ml_pipeline.rules.money.budgets import Month, months, over_budget
from ml_pipeline.rules.money.estimates import History
from ml_pipeline.rules.money.waiting import Waiting
from ml_pipeline.rules.render.drift import drift_within
from ml_pipeline.rules.render.reach import Reach, reach_of
from ml_pipeline.rules.review.closed_world import place_faults
from ml_pipeline.rules.review.comment import Check, comment
from ml_pipeline.rules.review.consequence import Consequence, in_order
from ml_pipeline.rules.review.diff import ObjectChange
from ml_pipeline.rules.review.faults import refuse_faults
from ml_pipeline.rules.review.traffic import gate_lines
from ml_pipeline.rules.review.two_pens import hand_written

_PLACE = re.compile(r"(?P<path>(?:experiments|environments|base)/.+?):(?P<line>\d+): ")
_STALE = "is stale; run `ml-pipeline render` and commit what it writes"
Answer = tuple[Iterable[Fault | str], str]


@dataclass(frozen=True)
class Merge:
    """What is looked at before it is done: a head, or without one the working tree, merged into a base."""

    base: str = "origin/main"
    head: str | None = None


@dataclass
class _Review:
    """What is found out, check by check; one that fails takes nothing from the others."""

    checks: list[Check] = field(default_factory=list)
    told: Sequence[Consequence] = ()
    changes: Sequence[ObjectChange] = ()
    notes: Sequence[str] = ()
    hints: Sequence[str] = ()

    def run(self, name: str, look: Callable[[], Answer]) -> bool:
        """Run one check, which gives its findings and a note on what holds; whether it holds."""
        try:
            findings, note = look()
            check = Check(name, tuple(map(str, findings)), note)
        except InvalidDocumentsError as error:
            known = {finding for check in self.checks for finding in check.findings}
            new = tuple(finding for finding in map(str, error.faults) if finding not in known)
            if not new:
                return False  # said already
            check = Check(name, new)
        except PipelineError as error:
            text = str(error).replace("\n", " ")
            check = Check(name, (text,)) if _PLACE.match(text) else Check(name, no_answer=text)
        except Exception as error:  # noqa: BLE001  a check that crashes must not take the comment with it
            console.talk(
                f"this is a bug in the check of {name}; please report it with these lines:\n{traceback.format_exc()}"
            )
            check = Check(name, no_answer=f"{type(error).__name__}: {error}", crashed=True)
        self.checks.append(check)
        return check.holds


@dataclass(frozen=True)
class _Sides:
    """Both revisions, what their experiments wait for, and how far the change from one to the other reaches."""

    before: Snapshot
    after: Snapshot
    past: Waiting
    waiting: Waiting
    reach: Reach

    @classmethod
    def of(cls, compared: Comparison) -> "_Sides":
        """Nothing is read yet."""
        after = Snapshot(compared.after)
        before = after.beside(compared.before, compared.changed)
        reach, waiting = reach_of(compared.changed, code=compared.code_differs), Waiting(after)
        past = Waiting(before)
        if not reach.everything:
            past = Waiting(before, waiting, experiments_of(compared.changed))
        return cls(before, after, past, waiting, reach)


def review(
    repo: Path,
    merge: Merge,
    *,
    comment_file: Path | None = None,
    annotations: bool = False,
    output: str = "text",
) -> int:
    """Check everything that a merge would change; 1 with findings, 3 where a check crashed.

    With a head both sides are read from git's objects alone, and the working tree may hold whatever it does.

    Raises:
        PipelineError: `comment_file` is something else than a file.
    """
    if comment_file:
        refuse_no_file(comment_file)  # what takes minutes to find out should not be lost then
    found = _Review()
    with _without_collector():
        _look(found, repo, merge)
    markdown = comment(
        found.told, found.changes, found.checks, notes=found.notes, hints=found.hints
    )
    if comment_file:
        write_answer(comment_file, markdown.encode())
    if annotations:
        _annotate(found.checks)
    data = {
        "checks": [asdict(check) for check in found.checks],
        **as_data(found.told, found.changes),
    }
    console.answer(data, markdown if output == "markdown" else _text(found), output)
    if any(check.crashed for check in found.checks):
        return console.BUG
    return console.OK if all(check.holds for check in found.checks) else console.FINDINGS


@contextmanager
def _without_collector() -> Iterator[None]:
    """What a review reads stays until its end: to look again and again for garbage among it takes a tenth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _look(found: _Review, repo: Path, merge: Merge) -> None:
    """Run every check that can be run; without valid documents there is nothing to render, to judge, or to pay."""
    base, head = merge.base, merge.head
    sides: list[tuple[Revisions, Comparison]] = []

    def revisions() -> Answer:
        known = Revisions(repo, alone=head is not None)
        if head is None:
            compared = known.comparison(known.fork_point(base))
        else:
            compared = known.between(known.fork_point(base, head), known.revision(head))
        sides.append((known, compared))
        return (), ""

    if not found.run("revisions", revisions):
        return
    ((known, compared),) = sides
    with builds_of(compared) as builds:
        _compare(found, base, known, compared, builds)


def _compare(
    found: _Review, base: str, known: Revisions, compared: Comparison, builds: Builds
) -> None:
    both = _Sides.of(compared)
    before, after = both.before, both.after
    found.run("places", lambda: (place_faults(compared.after), ""))
    found.run("automation's files", lambda: _hand_written(known, base, compared))
    if found.run("documents", lambda: _documents(both)):
        found.run("rendered files", lambda: _stale(both))
        found.run("policies", lambda: _policies(both, compared, builds))
        found.run("budgets", lambda: _budgets(found, both))

    def consequences() -> Answer:
        found.told = told_of(base, before, after, compared.changed)
        found.notes = [*gate_lines(after, compared.changed), *found.notes]
        return (), ""

    def objects() -> Answer:
        found.changes = changed_objects(compared, builds)
        return (), ""

    def own() -> Answer:
        found.told = in_order([*found.told, *own_consequences(compared, builds)])
        return (), ""

    found.run("consequences", consequences)
    found.run("people's own places", own)
    found.run("objects", objects)


def _hand_written(known: Revisions, base: str, compared: Comparison) -> Answer:
    written = [path for path in compared.changed if is_automations(path) and path in compared.after]
    contents = {path: compared.after[path] for path in written}
    restored = known.restored(known.revision(base), contents)
    return hand_written(compared.before, compared.after, written, restored), ""


def _documents(both: _Sides) -> Answer:
    after = both.after
    refuse_faults(after, both.reach.documents(after))
    counts = {
        "experiments": len(after.experiments),
        "promotions": len(after.promotions),
        "environments": len(after.environments),
    }
    return (), ", ".join(
        f"{count} {kind.removesuffix('s') if count == 1 else kind}"
        for kind, count in counts.items()
    )


def _stale(both: _Sides) -> Answer:
    changes = drift_within(both.after, both.reach, both.waiting, both.past)
    return [f"{path}:1: {_STALE}" for path in sorted({*changes.write, *changes.delete})], "current"


def _policies(both: _Sides, compared: Comparison, builds: Builds) -> Answer:
    if both.reach.everything:
        return policy_faults(both.after, builds.after)[0], "kept"
    _, built = changed_units(compared.before, compared.after, compared.changed)
    own = {place for path in compared.changed if (place := own_place(path))}
    return policy_faults(both.after, builds.after, built | own)[0], "kept"


def _budgets(found: _Review, both: _Sides) -> Answer:
    """Faults of budgets; what is left of those that are touched, and advice on what is new, go into the comment."""
    history, month = History(both.after), this_month()
    new = months(both.after, history, month, both.waiting)
    old = _months_before(both, history, month)
    found.notes = [
        left(now)
        for name, now in new.items()
        if name not in old or now.expected != old[name].expected
    ]
    asked = {
        name
        for name, now in new.items()
        for name in now.waiting.keys() - (old[name].waiting.keys() if name in old else set())
    }
    found.hints = advice_lines(hints_for(both.after, history, sorted(asked)))
    return over_budget(both.after, old, new), "kept"


def _months_before(both: _Sides, history: History, month: str) -> Mapping[str, Month]:
    """Budgets of the base; none where it holds a document that cannot be read, which this change may be about to repair."""
    known = History(both.before) if both.reach.everything else history
    try:
        return months(both.before, known, month, both.past)
    except InvalidDocumentsError:
        return {}


def _text(found: _Review) -> str:
    findings = [finding for check in found.checks for finding in check.all_findings]
    lines = [console.coloured(line(finding), "red") for finding in findings]
    known = found.told or found.changes
    if lines:
        lines.append("")
    if lines and not known:
        lines.append("what it changes is not known until that is mended")
    else:
        lines.append(diff_text(found.told, found.changes))
    return "\n".join([*lines, *map(line, found.notes), *map(line, found.hints)])


def _annotate(checks: Iterable[Check]) -> None:
    """Show each finding beside the line that it names."""
    for check in checks:
        for finding in check.all_findings:
            place = _PLACE.match(finding)
            where = {"file": place["path"], "line": int(place["line"])} if place else {}
            message = finding[place.end() :] if place else finding
            console.annotate(message, **where, title=check.name)
