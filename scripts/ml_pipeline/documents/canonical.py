"""The part of YAML that machines write here, read line by line in a third of a parser's time.

Thousands of receipts are read by commands that a person waits for, and most of their lines are
alike. Whatever is not plainly of this part (a flow collection, an escape, a wrapped line, a
character that is not ASCII, anything wrong) is left to the parser, which also says what is wrong
with it. A test holds both against each other.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

Location = tuple[str | int, ...]
MAX_DEPTH = 10
_LONGEST = 1000  # characters of a line: lines are kept
_PLAIN = r"(?:\w|[-+.](?=\d))(?:[\w./+%()@^~,=\[\]-]|:(?=\S)| (?=[\w./+%()@^~,=\[\]-]))*"
_VALUE = rf"{_PLAIN}|'[ -&(-~]*'|\{{\}}|\[\]"
_LINE = re.compile(rf"( *)(- )?(?:([A-Za-z_][\w.-]{{0,99}}):(?: ({_VALUE}))?|({_VALUE}))", re.ASCII)
_NO_CONTENT = re.compile(r" *(#[ -~]*)?")


class _Line(NamedTuple):
    """A line: where it begins, whether it is an item of a list, its key and its value's text."""

    indent: int
    item: bool
    key: str | None
    value: str | None


class _OtherYamlError(Exception):
    pass


def read_canonical(
    text: str, plain: Callable[[str], Any]
) -> tuple[dict[str, Any], dict[Location, int]] | None:
    """Data and the line of every key; None where the text is not of this part.

    `plain` makes a value of an unquoted text.
    """
    try:
        lines: list[tuple[_Line, int]] = []
        for number, raw in enumerate(text.split("\n"), 1):
            line = _line(raw)
            if line:
                lines.append((line, number))
        block = _Block(lines, plain)
        data = block.mapping(0, ())
    except _OtherYamlError:
        return None
    return (data, block.lines) if data and block.at_end() else None


def _line(raw: str) -> _Line | None:
    """A line of text; None where it has no content."""
    if len(raw) > _LONGEST:
        raise _OtherYamlError
    return _matched(raw)


# Most lines of receipts are the same in thousands of them; this is what makes them fast to read.
@lru_cache(maxsize=2**14)
def _matched(raw: str) -> _Line | None:
    match = _LINE.fullmatch(raw)
    if match:
        indent, item, key, value, alone = match.groups()
        if alone is None or item:
            return _Line(len(indent), bool(item), key, alone if key is None else value)
    elif _NO_CONTENT.fullmatch(raw):
        return None
    raise _OtherYamlError


class _Block:
    """Reads lines from the top; what no block takes is left at the end."""

    def __init__(self, lines: list[tuple[_Line, int]], plain: Callable[[str], Any]) -> None:
        self._left, self._next, self._plain = lines, 0, plain
        self.lines: dict[Location, int] = {(): 1}

    def at_end(self) -> bool:
        """Whether every line was taken."""
        return self._next == len(self._left)

    def mapping(self, indent: int, at: Location) -> dict[str, Any]:
        """The keys at an indentation."""
        if len(at) > MAX_DEPTH:
            raise _OtherYamlError
        data: dict[str, Any] = {}
        while self._next < len(self._left):
            (begins, item, key, value), number = self._left[self._next]
            if begins != indent or item:
                break
            if key is None or key in data:
                raise _OtherYamlError
            self._next += 1
            where = (*at, key)
            self.lines[where] = number
            data[key] = self._nested(indent, where) if value is None else self._of(value)
        return data

    def _sequence(self, indent: int, at: Location) -> list[Any]:
        items: list[Any] = []
        while self._next < len(self._left):
            line, number = self._left[self._next]
            if line.indent != indent or not line.item:
                break
            where = (*at, len(items))
            self.lines[where] = number
            if line.key is None:
                self._next += 1
                items.append(self._of(line.value or ""))
            else:
                # The first key of a mapping stands behind the dash, the others below it.
                self._left[self._next] = (line._replace(indent=indent + 2, item=False), number)
                items.append(self.mapping(indent + 2, where))
        return items

    def _nested(self, indent: int, at: Location) -> Any:
        """What stands below a key that has no value in its line."""
        if self._next < len(self._left):
            line, _ = self._left[self._next]
            if line.item and line.indent >= indent:
                return self._sequence(line.indent, at)
            if line.indent > indent:
                return self.mapping(line.indent, at)
        return self._plain("")

    def _of(self, text: str) -> Any:
        if text[0] == "'":
            return text[1:-1]
        if text in ("{}", "[]"):
            return {} if text == "{}" else []
        return self._plain(text)
