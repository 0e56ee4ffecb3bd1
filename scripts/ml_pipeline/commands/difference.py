"""What a merge does and which objects it changes, as people and programs read it."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict

from ml_pipeline.commands import console
from ml_pipeline.documents.escape import line
from ml_pipeline.operations.diff import Difference
from ml_pipeline.rules.review.comment import shown
from ml_pipeline.rules.review.diff import ABSENT, FieldChange, ObjectChange

_SIGNS = {
    "create": ("+", "green"),
    "change": ("~", "yellow"),
    "replace": ("~", "yellow"),
    "delete": ("-", "red"),
}


def text(difference: Difference) -> str:
    """What happens, then every object with its fields.

    Where that goes to a terminal, it is coloured and cut to its width.
    """
    if not difference:
        return "nothing changes"
    lines = [line(consequence.text) for consequence in difference.consequences]
    if difference.consequences and difference.objects:
        lines.append("")
    return "\n".join([*lines, *_changes(difference.objects)])


def as_data(difference: Difference) -> dict[str, object]:
    """The same, for --output json."""
    return {
        "consequences": [asdict(consequence) for consequence in difference.consequences],
        "objects": [_object(change) for change in difference.objects],
    }


def _changes(changes: Iterable[ObjectChange]) -> Iterator[str]:
    for change in changes:
        sign, colour = _SIGNS[change.action]
        yield console.painted(line(f"{sign} {change.title}"), colour)
        for field in shown(change):
            yield console.fitted(f"    {line(field)}")


def _object(change: ObjectChange) -> dict[str, object]:
    data: dict[str, object] = {
        "action": change.action,
        "kind": change.kind,
        "namespace": change.namespace,
        "name": change.name,
    }
    if change.was:
        data["was"] = change.was
    elif change.content:
        data["content"] = change.content
    data["fields"] = [_field(field) for field in change.fields]
    return data


def _field(field: FieldChange) -> dict[str, object]:
    """A value that is not there is left out: null is a value of its own."""
    data: dict[str, object] = {"key": field.key}
    if field.before is not ABSENT:
        data["before"] = field.before
    if field.after is not ABSENT:
        data["after"] = field.after
    return data
