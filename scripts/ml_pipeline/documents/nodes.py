"""The one place where YAML is parsed: from the parser's events to nodes, within limits.

PyYAML itself composes in C, one stack frame a level, so that some ten thousand brackets end the
process, and an alias makes a few hundred bytes stand for more than any memory holds. Here levels
and nodes are counted as the parser reports them, before anything is built, and an alias is refused:
nobody needs one, and readers of YAML expand them differently.

What nodes mean depends on who else reads the file, so three modules make values of them:

- `source.parse`: our documents, for which every value has its line and no word is ambiguous;
- `load_plain` here: files that are compared or hashed as data, as PyYAML reads them. The names of
  Jobs are such hashes, so another reading would be another name;
- `rules/kustomize/objects.py`: Kubernetes objects, as the readers of YAML in Go take them.
"""

import json
from collections.abc import Iterator
from typing import Any

import yaml

from ml_pipeline.documents.canonical import Location
from ml_pipeline.documents.escape import shown_key
from ml_pipeline.documents.faults import Fault

MAX_BYTES = 256 * 1024  # of a file
MAX_LEVELS = 100  # the deepest CRD that is used here has 48
MAX_NODES = 200_000
_MAP, _SEQ = "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"


class RefusedYamlError(yaml.YAMLError):
    """YAML that is not built.

    `line` counts from 1, `at` is the key, `rule` and `repair` say what is wrong.
    """

    def __init__(self, line: int, at: Location, rule: str, repair: str) -> None:
        self.line, self.at, self.rule, self.repair = line, at, rule, repair
        super().__init__(f"line {line} {rule}; {repair}")

    def fault(self, path: str) -> Fault:
        """What is wrong with the file."""
        return Fault(path, self.line, dotted(self.at[:3]), f"{self.rule}; {self.repair}")


def dotted(location: Location) -> str:
    """`("steps", 0)` as people write it, `steps[0]`; a key that is no plain word is quoted."""
    out = ""
    for part in location:
        if isinstance(part, int):
            out += f"[{part}]"
        else:
            out += f".{shown_key(part)}" if out else shown_key(part)
    return out


def compose_all(
    raw: bytes | str, loader: Any = yaml.CSafeLoader, *, tags: bool = True
) -> Iterator[yaml.Node]:
    """The root node of each document; scalars have the tags that the loader gives them.

    Raises:
        RefusedYamlError: it uses an alias, or has more than MAX_LEVELS levels or MAX_NODES nodes;
            or, where `tags` are not taken, it has a tag or a directive.
        yaml.YAMLError: it is not YAML.
    """
    parser = loader(raw)
    try:
        yield from _Building(parser, tags=tags).documents()
    finally:
        parser.dispose()


def compose(raw: bytes | str, loader: Any = yaml.CSafeLoader) -> yaml.Node | None:
    """The root node of the one document, None where there is none.

    Raises:
        yaml.YAMLError: as above, or there is a second document.
    """
    documents = compose_all(raw, loader)
    first = next(documents, None)
    second = next(documents, None)
    if first is not None and second is not None:
        raise yaml.composer.ComposerError(
            "expected a single document in the stream",
            first.start_mark,
            "but found another document",
            second.start_mark,
        )
    return first


def load_plain(raw: bytes) -> Any:
    """The one document of a file that is no document of ours, by the rules of YAML 1.1.

    Raises:
        yaml.YAMLError: it is not YAML, is more than one document, has more than MAX_BYTES bytes,
            passes a limit, or holds what JSON does not.
    """
    if len(raw) > MAX_BYTES:
        raise RefusedYamlError(1, (), *too_large(raw))
    try:
        root = compose(raw)
        if root is None:
            return None
        data = yaml.constructor.SafeConstructor().construct_document(root)
        # A time, a set or bytes would fail only where it is hashed, far from its file.
        json.dumps(data, sort_keys=True)
    except (RecursionError, TypeError, ValueError) as error:
        raise yaml.YAMLError(f"holds more than text, numbers, lists and keys: {error}") from error
    return data


def is_untagged(node: yaml.CollectionNode) -> bool:
    """Whether a list or mapping is nothing else by a tag."""
    return node.tag == (_MAP if isinstance(node, yaml.MappingNode) else _SEQ)


def too_large(raw: bytes, most: int = MAX_BYTES) -> tuple[str, str]:
    """The rule that a file with too many bytes breaks, and the repair."""
    return f"has {len(raw)} bytes, at most {most} are read", "keep data out of documents"


class _Building:
    """Nodes from events. What is open is on a stack of its own, each node with its items so far."""

    def __init__(self, parser: Any, *, tags: bool) -> None:
        self._parser, self._tags = parser, tags
        self._open: list[tuple[yaml.CollectionNode, list[yaml.Node]]] = []
        self._nodes = 0

    def documents(self) -> Iterator[yaml.Node]:
        """Each root, as soon as it is whole."""
        while not isinstance(event := self._parser.get_event(), yaml.StreamEndEvent):
            node = self._node(event)
            if node is None:
                continue
            if self._open:
                self._open[-1][1].append(node)
            else:
                self._nodes = 0
                yield node

    def _node(self, event: Any) -> yaml.Node | None:
        """The node that is whole with this event."""
        # By far the most events are scalars, so they are asked for first, and by identity.
        kind = type(event)
        if kind is yaml.ScalarEvent:
            self._count(event)
            tag = event.tag
            if tag is None:
                tag = self._parser.resolve(yaml.ScalarNode, event.value, event.implicit)
            elif not self._tags:
                raise self._refused(event, f"has the tag {tag}", "leave it out")
            elif tag == "!":
                tag = self._parser.resolve(yaml.ScalarNode, event.value, event.implicit)
            start, end = event.start_mark, event.end_mark
            return yaml.ScalarNode(tag, event.value, start, end, style=event.style)
        if kind is yaml.MappingStartEvent:
            self._begin(event, yaml.MappingNode, _MAP)
        elif kind is yaml.SequenceStartEvent:
            self._begin(event, yaml.SequenceNode, _SEQ)
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            return self._ended(event)
        elif kind is yaml.AliasEvent:
            raise self._refused(event, "uses an alias (*)", "write the value out in each place")
        elif kind is yaml.DocumentStartEvent and not self._tags and (event.version or event.tags):
            raise self._refused(event, "has a directive (%)", "leave it out")
        return None

    def _begin(self, event: Any, kind: type[yaml.CollectionNode], tag: str) -> None:
        self._count(event)
        if event.tag is not None and not self._tags:
            raise self._refused(event, f"has the tag {event.tag}", "leave it out")
        if len(self._open) == MAX_LEVELS:
            raise self._refused(event, f"is nested deeper than {MAX_LEVELS} levels", "flatten it")
        explicit = event.tag if event.tag not in (None, "!") else tag
        node = kind(explicit, [], event.start_mark, None, flow_style=event.flow_style)
        self._open.append((node, []))

    def _ended(self, event: Any) -> yaml.Node:
        node, items = self._open.pop()
        node.end_mark = event.end_mark
        is_mapping = isinstance(node, yaml.MappingNode)
        node.value = list(zip(items[::2], items[1::2], strict=True)) if is_mapping else items
        return node

    def _count(self, event: Any) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise self._refused(event, f"has more than {MAX_NODES} values", "split the file")

    def _refused(self, event: Any, rule: str, repair: str) -> RefusedYamlError:
        """An error at the place that is being built."""
        at: list[str | int] = []
        for node, items in self._open:
            if isinstance(node, yaml.SequenceNode):
                at.append(len(items))
            elif len(items) % 2:  # a key whose value is still to come
                key = items[-1]
                at.append(key.value if isinstance(key, yaml.ScalarNode) else "?")
        return RefusedYamlError(event.start_mark.line + 1, tuple(at), rule, repair)
