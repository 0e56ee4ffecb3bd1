"""What a person did where a file is no YAML.

The parser says where it gave up, which is often lines below the mistake.
"""

import re

import yaml

from ml_pipeline.documents.escape import line as one_line
from ml_pipeline.documents.escape import shown_key
from ml_pipeline.documents.faults import Fault

LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_TAB = re.compile(r" *\t")
_GLUED = re.compile(r"\s*(?:- +)*([A-Za-z_][\w.-]*):(?!//)([^\s:]\S*)")
_OPENED = {"{": "}", "[": "]"}


def glued(text: str) -> str | None:
    """The repair of `seed:7`, None where a key and its value are apart."""
    pair = _GLUED.match(text)
    if not pair:
        return None
    apart = one_line(f"{pair[1]}: {pair[2].rstrip(',}]')}", 60)
    return f"lacks the space after the colon; write '{apart}'"


def unseen(path: str, line: int, character: int) -> Fault:
    """A character, by its number, that nobody sees."""
    return Fault(
        path, line, "", f"holds U+{character:04X}, a character that is not seen; delete it"
    )


def unreadable(path: str, text: str, error: yaml.MarkedYAMLError) -> Fault:
    """The mistake behind an error of the parser, at the line where a person has to mend it."""
    lines = LINE_BREAK.split(text)
    gave_up = error.problem_mark.line if error.problem_mark else 0
    began = error.context_mark.line if error.context_mark else gave_up
    # What is surest first: a tab or a key without its space may be why something seems open.
    for number in range(min(began, gave_up), min(gave_up + 1, len(lines))):
        if _TAB.match(lines[number]):
            return Fault(path, number + 1, "", "is indented with a tab; use spaces")
    for number in {began, gave_up, gave_up - 1}:
        line = lines[number] if 0 <= number < len(lines) else ""
        repair = glued(line)
        if repair:
            key = line.strip().partition(":")[0].lstrip("- ")
            return Fault(path, number + 1, shown_key(key), repair)
    if error.context and error.context_mark and (began < gave_up or gave_up == len(lines) - 1):
        opening = lines[began][error.context_mark.column :][:1]
        if opening in _OPENED:
            return Fault(path, began + 1, "", _still_open(opening, gave_up, lines))
        if "quoted" in error.context:
            return Fault(path, began + 1, "", f"the {opening} is not closed; add the other one")
    problem = f"is not YAML: {error.problem}; check indentation and quotes"
    return Fault(path, gave_up + 1, "", problem)


def _still_open(opening: str, gave_up: int, lines: list[str]) -> str:
    closing = _OPENED[opening]
    if not "".join(lines[gave_up:]).strip():  # at the end of the file
        return f"the '{opening}' is not closed; close it with '{closing}'"
    rule = f"the '{opening}' is still open in line {gave_up + 1}"
    return f"{rule}; close it with '{closing}', or add the comma"
