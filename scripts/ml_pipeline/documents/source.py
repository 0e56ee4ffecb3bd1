"""YAML with positions: every value of a document can be traced to its line.

Stricter than YAML 1.1 on purpose, because kustomize and PyYAML disagree there: duplicate keys,
anchors and tags are refused, only true/false are booleans, and a number keeps its text, so that a
sha made of digits stays a sha.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml

from ml_pipeline.documents import nodes
from ml_pipeline.documents.blocks import Block, read_blocks
from ml_pipeline.documents.canonical import Location, read_canonical
from ml_pipeline.documents.escape import shown
from ml_pipeline.documents.faults import Fault
from ml_pipeline.documents.nodes import MAX_BYTES, dotted
from ml_pipeline.documents.unreadable import unreadable, unseen

MAX_DEPTH = 20
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})\Z")
# Python writes a float with at most 17 digits that count, which are up to 21 decimals where it
# begins with 0.000.
_FLOAT = re.compile(r"[-+]?[0-9]{1,17}(\.[0-9]{0,21})?([eE][-+]?[0-9]{1,3})?\Z")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]")
_IMPLICIT_TAGS = {"str", "int", "float", "bool", "null", "timestamp", "merge", "value"}
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}
_LONGEST_WORD = 64  # of a text that may stand for a number
_CONFLICT_MARKER = re.compile(rb"^(<<<<<<< |>>>>>>> )", re.MULTILINE)


class Special(bytes):
    """What stands for a file that is none to read, such as a link.

    Its bytes are none that a reader takes; `text` says why.
    """

    text: str

    def __new__(cls, mode: str, blob: str, text: str) -> "Special":
        """Mode and blob id, as git writes them, make two of them differ where the files do."""
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

    @classmethod
    def of_arguments(cls, taker: str, data: Mapping[str, Any]) -> "Source":
        """What a command or a function was given: no file, so no line."""
        return cls(taker, dict(data), {(): 0})

    def line(self, location: Location) -> int:
        """Line of the key, or of the nearest enclosing one that is there."""
        while location not in self.lines and location:
            location = location[:-1]
        return self.lines.get(location, 1)

    def fault(self, location: Location | str, text: str) -> Fault:
        """A fault at a key, given as a tuple or dotted."""
        where: Location = location if isinstance(location, tuple) else ()
        if isinstance(location, str) and location:
            where = tuple(location.split("."))
        return Fault(self.path, self.line(where), dotted(where), text)


class _RefusedError(Exception):
    def __init__(self, line: int, key: str, text: str) -> None:
        self.line, self.key, self.text = line, key, text


def parse(path: str, raw: bytes) -> Source | Fault:
    """The document in `raw`, or the first thing that makes it unreadable."""
    try:
        text = _decode(path, raw)
        if isinstance(text, Fault):
            return text
        # The fastest reader first; each knows less of YAML than the next, and says None to it.
        quick = read_canonical(text, _plain) or read_blocks(text, _block)
        return Source(path, *quick) if quick else _composed(path, text)
    except _RefusedError as refused:
        return Fault(path, refused.line, refused.key, refused.text)
    except yaml.MarkedYAMLError as error:
        return unreadable(path, raw.decode(), error)
    except nodes.RefusedYamlError as error:
        return error.fault(path)
    except yaml.reader.ReaderError as error:
        line = raw.count(b"\n", 0, error.position) + 1
        return unseen(path, line, error.character)
    except yaml.YAMLError as error:
        problem = str(error).splitlines()[0]
        return Fault(path, 1, "", f"is not YAML: {problem}; remove what is not printable text")


def _composed(path: str, text: str) -> Source | Fault:
    """The document by the parser, which reads all of YAML."""
    node = nodes.compose(text)
    if node is None:
        return Fault(path, 1, "", "is empty; write the document or delete the file")
    if not isinstance(node, yaml.MappingNode):
        shape = "list" if isinstance(node, yaml.SequenceNode) else "single value"
        text = f"holds a {shape}, must hold a mapping; start with apiVersion and kind"
        return Fault(path, 1, "", text)
    reader = _Reader()
    return Source(path, reader.mapping(node, ()), reader.lines)


def _decode(path: str, raw: bytes) -> str | Fault:
    if len(raw) > MAX_BYTES:
        return Fault(path, 1, "", "; ".join(nodes.too_large(raw)))
    # Looking for the signs alone takes a fiftieth of the time, and hardly a file has them.
    signs = b"<<<<<<< " in raw or b">>>>>>> " in raw
    marker = _CONFLICT_MARKER.search(raw) if signs else None
    if marker:
        line = raw.count(b"\n", 0, marker.start()) + 1
        text = "holds a merge conflict marker; resolve the conflict and commit again"
        return Fault(path, line, "", text)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        text = f"byte 0x{raw[error.start]:02x} is not UTF-8; save the file as UTF-8"
        return Fault(path, line, "", text)


class _Reader:
    """Turns nodes into data and notes the line of every key on the way."""

    def __init__(self) -> None:
        self.lines: dict[Location, int] = {(): 1}

    def mapping(self, node: yaml.MappingNode, at: Location) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise _RefusedError(line, dotted(at), "a key must be plain text; quote it")
            where = (*at, key.value)
            if key.value in data:
                text = f"stands twice, first in line {self.lines[where]}; keep one of the two"
                raise _RefusedError(line, dotted(where), text)
            self.lines[where] = line
            data[key.value] = self.value(value, where)
        return data

    def value(self, node: yaml.Node, at: Location) -> Any:
        line = node.start_mark.line + 1
        if len(at) > MAX_DEPTH:
            text = f"is nested deeper than {MAX_DEPTH} levels; flatten it"
            raise _RefusedError(line, dotted(at[:3]), text)
        if isinstance(node, yaml.CollectionNode) and not nodes.is_untagged(node):
            raise _RefusedError(line, dotted(at), f"has the tag {node.tag}; remove it")
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, at)
        if isinstance(node, yaml.SequenceNode):
            return self.sequence(node, at)
        assert isinstance(node, yaml.ScalarNode)
        return _scalar(node, at)

    def sequence(self, node: yaml.SequenceNode, at: Location) -> list[Any]:
        items = []
        for index, item in enumerate(node.value):
            where = (*at, index)
            self.lines[where] = item.start_mark.line + 1
            items.append(self.value(item, where))
        return items


# Kept as a whole: what is nested in it is shared by all documents that have the block, which is
# safe as nothing changes a document's data.
@lru_cache(maxsize=2**14)
def _block(text: str) -> Block | None:
    """One key at the top of a document with all below it; None where it is not that, or refused."""
    canonical = read_canonical(text, _plain)
    if canonical:
        data, lines = canonical
    else:
        reader = _Reader()
        try:
            node = nodes.compose(text)
            if not isinstance(node, yaml.MappingNode):
                return None
            data, lines = reader.mapping(node, ()), reader.lines
        except (_RefusedError, yaml.YAMLError):
            return None
    if len(data) != 1:
        return None
    ((key, value),) = data.items()
    del lines[()]  # the line of the text as a whole means nothing in a document
    return Block(key, value, tuple(lines.items()))


def _scalar(node: yaml.ScalarNode, at: Location) -> Any:
    text = node.value
    if node.tag.removeprefix("tag:yaml.org,2002:") not in _IMPLICIT_TAGS:
        raise _RefusedError(
            node.start_mark.line + 1, dotted(at), f"has the tag {shown(node.tag)}; remove it"
        )
    return text if node.style in ("'", '"', "|", ">") else _plain(text)


def _plain(text: str) -> Any:
    """The value of a text that stands without quotes."""
    return _short(text) if len(text) <= _LONGEST_WORD else text


# Receipts hold the same values again and again; long ones would fill the memory.
@lru_cache(maxsize=2**14)
def _short(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    for pattern, kind in ((_INTEGER, Integer), (_FLOAT, Number)):
        if pattern.match(text) and not _LEADING_ZERO.match(text):
            number = kind(text)
            number.text = text
            return number
    return text
