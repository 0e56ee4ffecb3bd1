"""YAML with positions: every value of a document can be traced to its line.

Stricter than YAML 1.1 on purpose, because kustomize and PyYAML disagree there: duplicate keys, anchors and tags are
refused, only true/false are booleans, and a number keeps its text, so that a sha made of digits stays a sha.
"""

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml

from ml_pipeline.documents.blocks import Block, read_blocks
from ml_pipeline.documents.canonical import read_canonical
from ml_pipeline.documents.faults import Fault
from ml_pipeline.documents.unreadable import unreadable

MAX_BYTES = 256 * 1024
MAX_DEPTH = 20
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})\Z")
# Python writes a float with at most 17 digits that count, which are up to 21 decimals where it begins with 0.000.
_FLOAT = re.compile(r"[-+]?[0-9]{1,17}(\.[0-9]{0,21})?([eE][-+]?[0-9]{1,3})?\Z")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]")
_IMPLICIT_TAGS = {"str", "int", "float", "bool", "null", "timestamp", "merge", "value"}
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}
_NEVER_DEEPER, _MOST_COMPACT = 500, 50
_BRACKET, _COMPACT = re.compile(rb"[\[\]{}]"), re.compile(rb"(?:[-?:][ \t]+){50}")
_CONFLICT_MARKER = re.compile(rb"^(<<<<<<< |>>>>>>> )", re.MULTILINE)

Location = tuple[str | int, ...]


class Special(bytes):
    """What stands for a file that is none to read, such as a link: bytes that no reader takes, and why in `text`."""

    text: str

    def __new__(cls, mode: str, blob: str, text: str) -> "Special":
        """Mode and blob id, as git writes them, make those of two files differ where the files do."""
        made = super().__new__(cls, f"\0{mode} {blob}".encode())
        made.text = text
        return made

    def fault(self, path: str) -> Fault:
        """What is wrong with the file."""
        return Fault(path, 1, "", self.text)


class Integer(int):
    """An integer that remembers how it was written (`text`)."""

    text: str


class Number(float):
    """A floating-point number that remembers how it was written (`text`)."""

    text: str


@dataclass(frozen=True)
class Source:
    """One parsed file: its data and the line of each key."""

    path: str
    data: dict[str, Any]
    lines: dict[Location, int]

    def line(self, location: Location) -> int:
        """Line of the key, or of the nearest enclosing one that is there."""
        while location not in self.lines and location:
            location = location[:-1]
        return self.lines.get(location, 1)

    def fault(self, location: Location | str, text: str) -> Fault:
        """A fault at a key, given as a tuple or dotted."""
        where: Location = tuple(location.split(".")) if isinstance(location, str) else location
        return Fault(self.path, self.line(where), dotted(where), text)


class _RefusedError(Exception):
    def __init__(self, line: int, key: str, text: str) -> None:
        self.line, self.key, self.text = line, key, text


def dotted(location: Location) -> str:
    """`("steps", 0)` as people write it: `steps[0]`."""
    out = ""
    for part in location:
        out += f"[{part}]" if isinstance(part, int) else f".{part}" if out else part
    return out


class TooDeepError(yaml.YAMLError):
    """YAML so deeply nested that libyaml's recursion would end the process; `line` is where."""

    def __init__(self, line: int, levels: int) -> None:
        self.line = line
        super().__init__(f"line {line} is nested deeper than {levels} levels")


def refuse_deep(raw: bytes) -> None:
    """Refuse bytes that would end the process, before any YAML reader sees them.

    PyYAML composes in C, one stack frame a level: some ten thousand brackets are a segmentation fault. Blocks nested by
    indentation cannot be that deep in a file of MAX_BYTES; flow collections and `- - -` can.

    Raises:
        TooDeepError: with the line.
    """
    depth = 0
    if raw.count(b"[") + raw.count(b"{") > _NEVER_DEEPER:
        for bracket in _BRACKET.finditer(raw):
            depth += 1 if bracket[0] in b"[{" else -1
            if depth > _NEVER_DEEPER:
                raise TooDeepError(raw.count(b"\n", 0, bracket.start()) + 1, _NEVER_DEEPER)
    compact = _COMPACT.search(raw)
    if compact:
        raise TooDeepError(raw.count(b"\n", 0, compact.start()) + 1, _MOST_COMPACT)


def parse(path: str, raw: bytes) -> Source | Fault:
    """The document in `raw`, or the first thing that makes it unreadable."""
    try:
        text = _decode(path, raw)
        if isinstance(text, Fault):
            return text
        canonical = read_canonical(text, _plain)
        if canonical:
            return Source(path, *canonical)
        blocks = read_blocks(text, _block)
        if blocks:
            return Source(path, *blocks)
        refuse_deep(raw)
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
        if node is None:
            return Fault(path, 1, "", "is empty; write the document or delete the file")
        if not isinstance(node, yaml.MappingNode):
            return Fault(
                path,
                1,
                "",
                f"holds a {_shape(node)}, must hold a mapping; start with apiVersion and kind",
            )
        reader = _Reader()
        return Source(path, reader.mapping(node, ()), reader.lines)
    except _RefusedError as refused:
        return Fault(path, refused.line, refused.key, refused.text)
    except yaml.MarkedYAMLError as error:
        return unreadable(path, raw.decode(), error)
    except TooDeepError as error:
        return Fault(path, error.line, "", f"{error}; flatten it")
    except (yaml.YAMLError, RecursionError) as error:
        return Fault(
            path,
            1,
            "",
            f"is not YAML: {str(error).splitlines()[0]}; remove what is not printable text",
        )


def _decode(path: str, raw: bytes) -> str | Fault:
    if len(raw) > MAX_BYTES:
        return Fault(
            path,
            1,
            "",
            f"has {len(raw)} bytes, at most {MAX_BYTES} are read; keep data out of documents",
        )
    # Looking for the signs alone takes a fiftieth of the time, and hardly a file has them.
    signs = b"<<<<<<< " in raw or b">>>>>>> " in raw
    marker = _CONFLICT_MARKER.search(raw) if signs else None
    if marker:
        line = raw.count(b"\n", 0, marker.start()) + 1
        return Fault(
            path, line, "", "holds a merge conflict marker; resolve the conflict and commit again"
        )
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return Fault(
            path, line, "", f"byte 0x{raw[error.start]:02x} is not UTF-8; save the file as UTF-8"
        )


def _shape(node: yaml.Node) -> str:
    return "list" if isinstance(node, yaml.SequenceNode) else "single value"


class _Reader:
    """Turns nodes into data and notes the line of every key on the way."""

    def __init__(self) -> None:
        self.lines: dict[Location, int] = {(): 1}
        self._seen: set[int] = set()

    def mapping(self, node: yaml.MappingNode, at: Location) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise _RefusedError(line, dotted(at), "a key must be plain text; quote it")
            where = (*at, key.value)
            if key.value in data:
                first = self.lines[where]
                raise _RefusedError(
                    line, dotted(where), f"stands twice, first in line {first}; keep one of the two"
                )
            self.lines[where] = line
            data[key.value] = self.value(value, where)
        return data

    def value(self, node: yaml.Node, at: Location) -> Any:
        line = node.start_mark.line + 1
        if len(at) > MAX_DEPTH:
            raise _RefusedError(
                line, dotted(at[:3]), f"is nested deeper than {MAX_DEPTH} levels; flatten it"
            )
        if id(node) in self._seen:
            raise _RefusedError(
                line, dotted(at), "uses an alias (*); write the value out in each place"
            )
        self._seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, at)
        if isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.lines[(*at, index)] = item.start_mark.line + 1
            return [self.value(item, (*at, index)) for index, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        return _scalar(node, at)


@lru_cache(maxsize=2**14)
def _block(text: str) -> Block | None:
    """One key at the top of a document with all that is below it; None where it is not that, or is refused."""
    canonical = read_canonical(text, _plain)
    if canonical:
        data, lines = canonical
    else:
        reader = _Reader()
        try:
            refuse_deep(text.encode())
            node = yaml.compose(text, Loader=yaml.CSafeLoader)
            if not isinstance(node, yaml.MappingNode):
                return None
            data, lines = reader.mapping(node, ()), reader.lines
        except (_RefusedError, yaml.YAMLError, RecursionError):
            return None
    if len(data) != 1:
        return None
    ((key, value),) = data.items()
    return Block(key, value, tuple((at, line) for at, line in lines.items() if at))


def _scalar(node: yaml.ScalarNode, at: Location) -> Any:
    text = node.value
    if node.tag.removeprefix("tag:yaml.org,2002:") not in _IMPLICIT_TAGS:
        raise _RefusedError(
            node.start_mark.line + 1, dotted(at), f"has the tag {node.tag}; remove it"
        )
    return text if node.style in ("'", '"', "|", ">") else _plain(text)


@lru_cache(maxsize=2**14)  # receipts hold the same values again and again
def _plain(text: str) -> Any:
    """The value of a text that stands without quotes."""
    if text in _WORDS:
        return _WORDS[text]
    for pattern, kind in ((_INTEGER, Integer), (_FLOAT, Number)):
        if pattern.match(text) and not _LEADING_ZERO.match(text):
            number = kind(text)
            number.text = text
            return number
    return text


def load_plain(raw: bytes) -> Any:
    """The one document of a file that is no document of ours, such as a patch, as plain data.

    Raises:
        yaml.YAMLError: it is not YAML, or too large or deep to be read.
    """
    if len(raw) > MAX_BYTES:
        raise yaml.YAMLError(f"{len(raw)} bytes, at most {MAX_BYTES} are read")
    refuse_deep(raw)
    try:
        found = yaml.load(raw, Loader=yaml.CSafeLoader)
        json.dumps(found, sort_keys=True)
    except (RecursionError, TypeError, ValueError) as error:
        raise yaml.YAMLError(f"holds more than text, numbers, lists and keys: {error}") from error
    return found
