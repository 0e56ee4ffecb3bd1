"""A document put together from blocks, one for each key at its top, each different one read once.

Thousands of experiments differ in a name, a seed, a number: what they share is most of what a YAML
parser would read again and again. A text is cut before each line that begins with a key, and each
piece must be a mapping with one key by itself; then the whole is all of them together. Whatever is
not plainly so is left to the parser, which also says what is wrong with it. A test holds both
against each other.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ml_pipeline.documents.canonical import Location

# What is longer is not kept, so that what is kept stays small.
_LONGEST = 1024
_KEY = re.compile(r"[A-Za-z_][\w.-]*:(?: |\Z)", re.ASCII)
_ROW = re.compile(r"[^\n]*\n|[^\n]+")
_HEAD = re.compile(r"(?: *(?:#[ -~]*)?\n)*")
# What a YAML reader takes for the end of a line, beside the one that lines are counted by, and a
# mark of the order of bytes; and what ends a document, which would hide from a block that more
# follows.
_NOT_PLAIN = ("\r", "\x85", "\u2028", "\u2029", "\ufeff", "\n---", "\n...")


@dataclass(frozen=True)
class Block:
    """One key, its value, and the line of each key in it, counted from the block's first."""

    key: str
    value: Any
    lines: tuple[tuple[Location, int], ...]


def read_blocks(
    text: str, read: Callable[[str], Block | None]
) -> tuple[dict[str, Any], dict[Location, int]] | None:
    """Data and the line of every key; None where the text is not plainly made of blocks.

    `read` gives the block of a text, None where it is none.
    """
    if any(sign in text for sign in _NOT_PLAIN):
        return None
    head, pieces = _cut(text)
    if not _HEAD.fullmatch(head):
        return None
    data: dict[str, Any] = {}
    lines: dict[Location, int] = {(): 1}
    above = head.count("\n")
    for piece in pieces:
        block = read(piece) if len(piece) <= _LONGEST else None
        # Of a key that stands twice the parser has to say so: here the second would win.
        if block is None or block.key in data:
            return None
        data[block.key] = block.value
        for location, line in block.lines:
            lines[location] = line + above
        above += piece.count("\n")
    return (data, lines) if data else None


def _cut(text: str) -> tuple[str, list[str]]:
    """What stands before the first key at the top, and each piece that begins with one.

    Together they are the text.
    """
    head: list[str] = []
    pieces: list[list[str]] = []
    for row in _ROW.findall(text):
        if row[0] not in " #-\n" and _KEY.match(row.rstrip("\n")):
            pieces.append([row])
        elif pieces:
            pieces[-1].append(row)
        else:
            head.append(row)
    return "".join(head), list(map("".join, pieces))
