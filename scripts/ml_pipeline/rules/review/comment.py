"""What a pull request is told, as one Markdown comment: what merging does, what it costs, what was
checked, every object.

It always fits: the largest consequences come first, and what does not fit is counted. Lines are
`Markdown`, which holds text of others in code alone.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ml_pipeline.documents.escape import Markdown, fenced, say, words
from ml_pipeline.documents.writer import to_yaml
from ml_pipeline.rules.money.prices import money
from ml_pipeline.rules.review.consequence import Consequence
from ml_pipeline.rules.review.diff import ABSENT, FieldChange, ObjectChange

MARKER = "<!-- ml-pipeline:review -->"
LIMIT = 65_536  # characters that GitHub takes in one comment
ROOM = LIMIT - 1_000  # of them for what is found; the rest says which commit and where the log is
_SHOWN = 50  # lines of a list; the rest is counted
_WHOLE = 5  # created objects up to which each is shown whole
_RESERVED = 300  # characters for the frame of the objects and what it leaves out
_DIGEST = re.compile(r"\b([0-9a-f]{10})[0-9a-f]{54}\b")
_SIGNS = {"create": "+", "change": "!", "replace": "!", "delete": "-"}


@dataclass(frozen=True)
class Check:
    """One check: what it found, or a note on what holds, or why it gave no answer."""

    name: str
    findings: tuple[str, ...] = ()
    note: str = ""
    no_answer: str = ""
    crashed: bool = False

    @property
    def holds(self) -> bool:
        """Whether all is well; without an answer it is not."""
        return not self.findings and not self.no_answer

    @property
    def all_findings(self) -> tuple[str, ...]:
        """Everything that has to be mended before the merge."""
        if not self.no_answer:
            return self.findings
        return (*self.findings, f"{self.name}: {self.no_answer}")


def comment(
    consequences: Sequence[Consequence],
    changes: Sequence[ObjectChange],
    checks: Sequence[Check] = (),
    *,
    notes: Sequence[str] = (),
    hints: Sequence[str] = (),
) -> str:
    """The whole comment, at most ROOM characters. `notes` are lines on gates and budgets, `hints`
    what would be cheaper."""
    lines = [
        say(MARKER),
        *_checks(checks),
        say("## What merging this does"),
        say(""),
        *_consequences(consequences, checks),
        *_money(consequences, notes),
    ]
    lines += [say("- {}", hint) for hint in hints[:_SHOWN]]
    lines = _fitting(lines)
    return "\n".join([*lines, *_objects(changes, ROOM - _length(lines))])


def _fitting(lines: Sequence[Markdown]) -> list[Markdown]:
    """As many whole lines as there is room for: a line that is cut could leave code open."""
    end = [say(""), say("There is more than fits; `ml-pipeline review` says all."), say("")]
    room = ROOM - _RESERVED
    if _length(lines) <= room:
        return list(lines)
    room -= _length(end)
    kept: list[Markdown] = []
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    return [*kept, *end]


def _length(lines: Sequence[Markdown]) -> int:
    return sum(len(line) + 1 for line in lines)


def shown(change: ObjectChange) -> list[str]:
    """The fields of an object, one line each; a value that changes in the same way in several
    places stands once."""
    places: dict[str, list[FieldChange]] = {}
    for field in change.fields:
        places.setdefault(_arrow(field), []).append(field)
    lines = []
    for arrow, fields in places.items():
        more = f" (and {len(fields) - 1} more)" if len(fields) > 1 else ""
        lines.append(f"{fields[0].key}{more}: {arrow}")
    return lines


def _arrow(field: FieldChange) -> str:
    """What a value was and what it will be; of a digest, its first digits."""
    before = "" if field.before is ABSENT else str(field.before)
    after = "" if field.after is ABSENT else str(field.after)
    is_block = isinstance(field.before, Mapping) or isinstance(field.after, Mapping)
    if is_block and field.after is ABSENT:
        return "gone"
    if is_block and field.before is ABSENT:
        return "new"
    text = after
    if is_block:
        text = f"{before} -> {after}"
    elif before:
        text = f"{before} -> {after or 'gone'}"
    return _DIGEST.sub(r"\1...", text)


def _checks(checks: Sequence[Check]) -> list[Markdown]:
    lines = []
    for check in checks:
        if check.crashed:
            lines += [
                say("### The check of {} crashed", words(check.name)),
                say(""),
                say("{}; its lines are in the log of the run.", check.no_answer),
                say(""),
            ]
        elif check.no_answer:
            lines += [say("### {}: no answer", words(check.name.capitalize())), say("")]
            lines += [say("{}", check.no_answer), say("")]
        elif check.findings:
            count = len(check.findings)
            lines += [say("### {}: {} to mend", words(check.name.capitalize()), count), say("")]
            lines += [say("- {}", finding) for finding in check.findings[:_SHOWN]]
            if count > _SHOWN:
                lines.append(say("- and {} more", count - _SHOWN))
            lines.append(say(""))
    holding = [f"{check.name} ({check.note})" for check in checks if check.holds and check.note]
    if holding:
        lines += [say("Checked: {}.", ", ".join(holding)), say("")]
    return lines


def _consequences(consequences: Sequence[Consequence], checks: Sequence[Check]) -> list[Markdown]:
    lines = [say("- {} ({})", one.text, one.path) for one in consequences[:_SHOWN]]
    if not lines and all(check.holds for check in checks):
        lines.append(say("- nothing that trains or serves changes"))
    elif not lines:
        lines.append(say("- not known until that is mended"))
    rest = consequences[_SHOWN:]
    if rest:
        counts = Counter(one.kind for one in rest).most_common()
        kinds = ", ".join(f"{kind} {count}" for kind, count in counts)
        lines.append(say("- and {} more: {}", len(rest), kinds))
    return [*lines, say("")]


def _money(consequences: Sequence[Consequence], notes: Sequence[str]) -> list[Markdown]:
    lines = []
    for currency in sorted({one.currency for one in consequences if one.cost}):
        paid = [one for one in consequences if one.currency == currency]
        expected = f"{money(sum(one.cost for one in paid))} {currency}"
        most = money(sum(one.most for one in paid))
        lines.append(say("**{} expected, {} at p90.**  ", expected, most))
    lines += [say("{}  ", note) for note in notes]
    return [*lines, say("")] if lines else []


def _objects(changes: Sequence[ObjectChange], room: int) -> list[Markdown]:
    """The objects as a folded diff, as many as there is room for; what is created whole, where it
    is little."""
    if not changes:
        return [say("No object changes."), say("")]
    count = words("object changes" if len(changes) == 1 else "objects change")
    head = [say("<details><summary>{} {}</summary>", len(changes), count), say(""), say("```diff")]
    end = [say("```"), say(""), say("</details>"), say("")]
    lines: list[Markdown] = []
    whole = sum(change.action == "create" for change in changes) <= _WHOLE
    room -= _length([*head, *end]) + 100
    for number, change in enumerate(changes):
        block = [fenced(_SIGNS[change.action], change.title)]
        block += [fenced("!  ", field) for field in shown(change)]
        if whole and change.content is not None:
            content = to_yaml(change.content).decode().splitlines()
            block += [fenced("+  ", row, indented=True) for row in content]
        room -= _length(block)
        if room < 0:
            more = f"and {len(changes) - number} more; see them with `ml-pipeline diff`"
            lines.append(fenced("#", more))
            break
        lines += block
    return [*head, *lines, *end]
