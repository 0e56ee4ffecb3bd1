"""What a pull request is told, as one Markdown comment: what merging does, what it costs, what was checked, every object.

It always fits: the largest consequences come first, and what does not fit is counted. Text that a contributor wrote stands in
code, where Markdown and mentions mean nothing.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ml_pipeline.documents.writer import to_yaml
from ml_pipeline.rules.consequences import Consequence
from ml_pipeline.rules.cost import money
from ml_pipeline.rules.diff import ABSENT, FieldChange, ObjectChange

MARKER = "<!-- ml-pipeline:review -->"
LIMIT = 65_536  # characters that GitHub takes in one comment
_SHOWN, _LONGEST, _WHOLE = 50, 300, 5
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
        return (
            (*self.findings, f"{self.name}: {self.no_answer}") if self.no_answer else self.findings
        )


def comment(
    told: Sequence[Consequence],
    changes: Sequence[ObjectChange],
    checks: Sequence[Check] = (),
    *,
    notes: Sequence[str] = (),
    hints: Sequence[str] = (),
) -> str:
    """The whole comment, at most LIMIT characters. `notes` are lines on gates and budgets, `hints` what would be cheaper."""
    lines = [
        MARKER,
        *_checks(checks),
        "## What merging this does",
        "",
        *_told(told, checks),
        *_money(told, notes),
    ]
    lines += [f"- {_code(hint)}" for hint in hints[:_SHOWN]]
    return "\n".join([*lines, *_objects(changes, LIMIT - sum(len(line) + 1 for line in lines))])


def shown(change: ObjectChange) -> list[str]:
    """The fields of an object, one line each; a value that changes in the same way in several places stands once."""
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
    before, after = ("" if value is ABSENT else str(value) for value in (field.before, field.after))
    if isinstance(field.before, Mapping) or isinstance(field.after, Mapping):
        text = (
            "gone"
            if field.after is ABSENT
            else "new"
            if field.before is ABSENT
            else f"{before} -> {after}"
        )
    else:
        text = f"{before} -> {after or 'gone'}" if before else after
    return _DIGEST.sub(r"\1...", text)


def _checks(checks: Sequence[Check]) -> list[str]:
    lines = []
    for check in checks:
        if check.crashed:
            lines += [
                f"### The check of {check.name} crashed",
                "",
                f"{_code(check.no_answer)}; its lines are in the log of the run.",
                "",
            ]
        elif check.no_answer:
            lines += [f"### {check.name.capitalize()}: no answer", "", _code(check.no_answer), ""]
        elif check.findings:
            lines += [f"### {check.name.capitalize()}: {len(check.findings)} to mend", ""]
            lines += [f"- {_code(finding)}" for finding in check.findings[:_SHOWN]]
            lines += [
                f"- and {len(check.findings) - _SHOWN} more"
                for _ in [0]
                if len(check.findings) > _SHOWN
            ] + [""]
    holding = [f"{check.name} ({check.note})" for check in checks if check.holds and check.note]
    return lines + ([f"Checked: {', '.join(holding)}.", ""] if holding else [])


def _told(told: Sequence[Consequence], checks: Sequence[Check]) -> list[str]:
    nothing = (
        "nothing that trains or serves changes"
        if all(check.holds for check in checks)
        else "not known until that is mended"
    )
    lines = [f"- {c.text} (`{c.path}`)" for c in told[:_SHOWN]] or [f"- {nothing}"]
    if len(told) > _SHOWN:
        rest = Counter(c.kind for c in told[_SHOWN:])
        lines.append(
            f"- and {len(told) - _SHOWN} more: {', '.join(f'{kind} {count}' for kind, count in rest.most_common())}"
        )
    return [*lines, ""]


def _money(told: Sequence[Consequence], notes: Sequence[str]) -> list[str]:
    lines = []
    for currency in sorted({c.currency for c in told if c.cost}):
        mine = [c for c in told if c.currency == currency]
        lines.append(
            f"**{money(sum(c.cost for c in mine))} {currency} expected, {money(sum(c.most for c in mine))} at p90.**"
        )
    lines += list(notes)
    return [*(f"{line}  " for line in lines), ""] if lines else []


def _objects(changes: Sequence[ObjectChange], room: int) -> list[str]:
    """The objects as a folded diff, as many as there is room for; what is created whole, where it is little."""
    if not changes:
        return ["No object changes.", ""]
    count = "1 object changes" if len(changes) == 1 else f"{len(changes)} objects change"
    head = [f"<details><summary>{count}</summary>", "", "```diff"]
    lines, end = [], ["```", "", "</details>", ""]
    whole = sum(change.action == "create" for change in changes) <= _WHOLE
    room -= sum(len(line) + 1 for line in [*head, *end]) + 100
    for number, change in enumerate(changes):
        block = [
            f"{_SIGNS[change.action]} {change.title}",
            *(f"!   {_short(line)}" for line in shown(change)),
        ]
        if whole and change.content is not None:
            block += [
                f"+   {_short(line, indented=True)}"
                for line in to_yaml(change.content).decode().splitlines()
            ]
        room -= sum(len(line) + 1 for line in block)
        if room < 0:
            lines.append(f"# and {len(changes) - number} more; see them with `ml-pipeline diff`")
            break
        lines += block
    return [*head, *lines, *end]


def _short(text: str, *, indented: bool = False) -> str:
    """One line that cannot end the block that it stands in."""
    line = (text if indented else " ".join(text.split())).replace("```", "'''")
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def _code(text: str) -> str:
    """Text in which no Markdown, HTML or mention has a meaning."""
    return f"`{_short(text).replace('`', chr(39))}`"
