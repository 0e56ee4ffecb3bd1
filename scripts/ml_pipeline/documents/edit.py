"""Changes to YAML that a person wrote: one value or one key at a time, every other byte stays.

A change is one splice of the text. What comes out is parsed again and must say what was asked for, else it is refused:
a file in a form that is not foreseen here is never changed into something else.
"""

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from ml_pipeline.documents import nodes
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.source import Source, parse
from ml_pipeline.documents.unreadable import LINE_BREAK

_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*\Z")
# Words that a reader of YAML 1.1 takes for something other than text.
_WORDS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))


@dataclass(frozen=True)
class Setting:
    """A value for a dotted key; `text` is how a person asked for it."""

    keys: tuple[str, ...]
    value: Any
    text: str

    @classmethod
    def parsed(cls, text: str) -> "Setting":
        """What `parameters.epochs=5` asks for.

        Raises:
            PipelineError: it is not of that form.
        """
        key, separator, written = text.partition("=")
        keys = tuple(key.split("."))
        value = parse("--set", f"value: {written}\n".encode())
        if separator and all(keys) and isinstance(value, Source) and value.data.keys() == {"value"}:
            return cls(keys, value.data["value"], text)
        raise PipelineError(f"--set {text!r} must be KEY=VALUE, such as parameters.epochs=5")

    def applied(self, data: dict[str, Any]) -> dict[str, Any]:
        """A copy of a document's data with it; a parent that is missing or empty comes into being.

        Raises:
            PipelineError: a parent of the key holds something else than keys.
        """
        changed = target = copy.deepcopy(data)
        *parents, last = self.keys
        for parent in parents:
            if target.get(parent) is None:
                target[parent] = {}
            target = target[parent]
            if not isinstance(target, dict):
                raise PipelineError(
                    f"--set {self.text!r}: {parent} holds no keys; name a key of the experiment"
                )
        target[last] = self.value
        return changed


def edited(path: str, raw: bytes, setting: Setting, *, order: Sequence[str] = ()) -> bytes:
    """A readable document with a setting; `order` says which top-level keys a new one stands behind.

    Raises:
        PipelineError: a parent of the key holds no keys, or the file is in a form that cannot be changed in place.
    """
    wanted = setting.applied(_data(path, raw))
    try:
        changed = _spliced(raw.decode(), setting, order).encode()
    except yaml.YAMLError:
        changed = raw
    found = parse(path, changed)
    if not isinstance(found, Source) or found.data != wanted:
        key = ".".join(setting.keys)
        raise PipelineError(f"{path}: {key}: cannot be set in this layout; write it by hand")
    return changed


def _data(path: str, raw: bytes) -> dict[str, Any]:
    source = parse(path, raw)
    assert isinstance(source, Source), "only readable documents are changed"
    return source.data


def _spliced(text: str, setting: Setting, order: Sequence[str]) -> str:
    """The text after the one change; what it cannot do comes out as something that says something else.

    Raises:
        yaml.YAMLError: the reader in Python, whose positions are needed, does not read what the one in C reads.
    """
    mapping = nodes.compose(text, yaml.SafeLoader)
    if not isinstance(mapping, yaml.MappingNode):
        raise yaml.YAMLError("holds no keys")
    for depth, key in enumerate(setting.keys):
        found = next((pair for pair in mapping.value if pair[0].value == key), None)
        value = setting.value
        for inner in reversed(setting.keys[depth + 1 :]):
            value = {inner: value}
        if found is None:
            return _added(text, mapping, key, value, order)
        if depth == len(setting.keys) - 1 or not isinstance(found[1], yaml.MappingNode):
            return _replaced(text, found[0], found[1], value)
        mapping = found[1]
    return text


def _replaced(text: str, key: yaml.Node, node: yaml.Node, value: Any) -> str:
    """Another value of a key that is there. What stood on lines of its own moves up to the key."""
    after_key, start, end = key.end_mark.index, node.start_mark.index, _end(node)
    if _block(node) or start == end:
        colon = text.find(":", after_key, start) + 1
        comment = re.split(LINE_BREAK, text[colon:start])[0] if _block(node) else ""
        if not colon:  # a lone key between braces
            return f"{text[:after_key]}: {_written(value)}{text[after_key:]}"
        return f"{text[:colon]} {_written(value)}{comment}{text[end if _block(node) else colon :]}"
    if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
        return f"{text[:start]}{_written(value)}{_line_break(text)}{text[end:]}"
    style = node.style if isinstance(node, yaml.ScalarNode) and isinstance(value, str) else None
    return f"{text[:start]}{_written(value, style)}{text[end:]}"


def _added(text: str, mapping: yaml.MappingNode, key: str, value: Any, order: Sequence[str]) -> str:
    """One more key: between the braces, or on a line of its own."""
    line = f"{_written(key)}: {_written(value)}"
    if not mapping.value:
        start = mapping.start_mark.index + 1
        return text[:start] + line + text[start:]
    before = set(order[: order.index(key)]) if key in order else set()
    known = [pair for pair in mapping.value if pair[0].value in before]
    _, last = max(known or mapping.value, key=lambda pair: int(pair[0].start_mark.index))
    at = _end(last)
    if mapping.flow_style:
        return f"{text[:at]}, {line}{text[at:]}"
    indent = " " * mapping.value[0][0].start_mark.column
    if at and LINE_BREAK.fullmatch(text[at - 1]):  # behind a block of lines
        return f"{text[:at]}{indent}{line}{_line_break(text)}{text[at:]}"
    following = LINE_BREAK.search(text, at)
    if following is None:  # no line break at the end of the file
        return f"{text}{_line_break(text)}{indent}{line}"
    at = following.end()
    return f"{text[:at]}{indent}{line}{following[0]}{text[at:]}"


def _end(node: yaml.Node) -> int:
    """Where the text of a node ends; what follows on its line is a comment."""
    while _block(node):
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return int(node.end_mark.index)


def _block(node: yaml.Node) -> bool:
    return isinstance(node, yaml.CollectionNode) and not node.flow_style


def _line_break(text: str) -> str:
    """How this file ends its lines."""
    found = LINE_BREAK.search(text)
    return found[0] if found else "\n"


def _written(value: Any, style: str | None = None) -> str:
    """A value on one line; text in the quotes that stood there, others only where they are needed."""
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(f"{_written(key)}: {_written(item)}" for key, item in value.items())
            + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(_written(item) for item in value) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return str(getattr(value, "text", repr(value)))
    text = str(value)
    if style == "'" and text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    if style is None and _PLAIN.match(text) and text.lower() not in _WORDS:
        return text
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if character.isprintable() else f"\\U{ord(character):08x}"
