"""Changes to YAML that a person wrote: one value or one key at a time, every other byte stays.

A change is one splice of the text. What comes out is parsed again and must say what was asked for,
else it is refused: a file in a form that is not foreseen here is never changed into something else.
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
        # YAML wants quotes around such as @daily, and the shell has taken them away.
        quoted = f"'{written}'" if re.fullmatch(r"@\w+", written) else written
        value = parse("--set", f"value: {quoted}\n".encode())
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
    """A readable document with a setting.

    `order` says which top-level keys a new one stands behind.

    Raises:
        PipelineError: a parent of the key holds no keys, or the file is in a form that cannot be
            changed in place.
    """
    wanted = setting.applied(_data(path, raw))
    try:
        changed = _spliced(raw.decode(), setting, order).encode()
    except yaml.YAMLError:
        changed = raw
    # The proof: whatever the splice did, only what was asked for is different now.
    result = parse(path, changed)
    if not isinstance(result, Source) or result.data != wanted:
        key = ".".join(setting.keys)
        raise PipelineError(f"{path}: {key}: cannot be set in this layout; write it by hand")
    return changed


def _data(path: str, raw: bytes) -> dict[str, Any]:
    source = parse(path, raw)
    assert isinstance(source, Source), "only readable documents are changed"
    return source.data


def _spliced(text: str, setting: Setting, order: Sequence[str]) -> str:
    """The text after the one change; what cannot be done here comes out as something else.

    Raises:
        yaml.YAMLError: the reader in Python, whose positions are needed, does not read what the
            one in C reads.
    """
    mapping = nodes.compose(text, yaml.SafeLoader)
    if not isinstance(mapping, yaml.MappingNode):
        raise yaml.YAMLError("holds no keys")
    for depth, key in enumerate(setting.keys):
        # Keys below this one, which come into being where it is missing or holds none.
        value = setting.value
        for inner in reversed(setting.keys[depth + 1 :]):
            value = {inner: value}
        pair = _pair(mapping, key)
        if pair is None:
            return _added(text, mapping, key, value, order)
        if depth == len(setting.keys) - 1 or not isinstance(pair[1], yaml.MappingNode):
            return _replaced(text, *pair, value)
        mapping = pair[1]
    return text


def _pair(mapping: yaml.MappingNode, key: str) -> tuple[yaml.Node, yaml.Node] | None:
    """The nodes of a key and of its value."""
    for pair in mapping.value:
        if pair[0].value == key:
            nodes_of_key: tuple[yaml.Node, yaml.Node] = pair
            return nodes_of_key
    return None


def _replaced(text: str, key: yaml.Node, node: yaml.Node, value: Any) -> str:
    """Another value of a key that is there. What stood on lines of its own moves up to the key."""
    start, end = node.start_mark.index, _end(node)
    if _is_block(node) or start == end:
        return _moved_up(text, key, node, value)
    if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
        return f"{text[:start]}{_written(value)}{_line_break(text)}{text[end:]}"
    style = node.style if isinstance(node, yaml.ScalarNode) and isinstance(value, str) else None
    return f"{text[:start]}{_written(value, style)}{text[end:]}"


def _moved_up(text: str, key: yaml.Node, node: yaml.Node, value: Any) -> str:
    """A value in the line of its key, where lines below it stood, or nothing."""
    after_key, start = key.end_mark.index, node.start_mark.index
    colon = text.find(":", after_key, start) + 1
    if not colon:  # a lone key between braces
        return f"{text[:after_key]}: {_written(value)}{text[after_key:]}"
    if not _is_block(node):
        return f"{text[:colon]} {_written(value)}{text[colon:]}"
    comment = re.split(LINE_BREAK, text[colon:start])[0]
    return f"{text[:colon]} {_written(value)}{comment}{text[_end(node) :]}"


def _added(text: str, mapping: yaml.MappingNode, key: str, value: Any, order: Sequence[str]) -> str:
    """One more key: between the braces, or on a line of its own."""
    line = f"{_written(key)}: {_written(value)}"
    if not mapping.value:
        start = mapping.start_mark.index + 1
        return text[:start] + line + text[start:]
    at = _end(_last_before(mapping, key, order))
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


def _last_before(mapping: yaml.MappingNode, key: str, order: Sequence[str]) -> yaml.Node:
    """The value behind which a new key stands, by the order of keys; the last one of all else."""
    before = set(order[: order.index(key)]) if key in order else set()
    known = [pair for pair in mapping.value if pair[0].value in before]
    _, last = max(known or mapping.value, key=lambda pair: int(pair[0].start_mark.index))
    value: yaml.Node = last
    return value


def _end(node: yaml.Node) -> int:
    """Where the text of a node ends; what follows on its line is a comment."""
    # The parser ends a block only where the next thing begins, behind comments and empty lines.
    while _is_block(node):
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return int(node.end_mark.index)


def _is_block(node: yaml.Node) -> bool:
    return isinstance(node, yaml.CollectionNode) and not node.flow_style


def _line_break(text: str) -> str:
    """How this file ends its lines."""
    first = LINE_BREAK.search(text)
    return first[0] if first else "\n"


def _written(value: Any, style: str | None = None) -> str:
    """A value on one line; text in the quotes that stood there, others only where needed."""
    if isinstance(value, dict):
        pairs = [f"{_written(key)}: {_written(item)}" for key, item in value.items()]
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_written, value)) + "]"
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
