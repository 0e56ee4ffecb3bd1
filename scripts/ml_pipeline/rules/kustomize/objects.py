"""Kubernetes objects as plain data.

Go's YAML readers, and so Kustomize and the API server, disagree among themselves about bare words
such as `on`, `N`, `010`: what Kustomize prints never has one, and elsewhere they are not covered.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

import yaml

from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.nodes import (
    MAX_BYTES,
    RefusedYamlError,
    compose_all,
    too_large,
)

# A manifest of Kubernetes, or a part of one. Nobody changes one in place: builds share what they do
# not touch.
Object = Mapping[str, Any]
MAX_BUILT = 8 * 1024 * 1024  # bytes of one build
_MOST_DIGITS = 400  # Python refuses to read some thousands
_TAG = "tag:yaml.org,2002:"
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(
    r"[-+]?(?:0|[1-9][0-9]*)?(?:\.[0-9]+|(?<=[0-9])\.)?(?<=[0-9.])(?:[eE][-+]?[0-9]+)?\Z"
)
_NULL = re.compile(r"(?:~|null|Null|NULL|)\Z")
_NUMERIC = r"[-+]?[0-9][0-9_.:eExXoOa-fA-F+-]*|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}[Tt ].*"
_UNCLEAR = re.compile(rf"(?:y|n|yes|no|on|off|{_NUMERIC}|[-+]?\.(?:inf|nan)|=|<<)\Z", re.IGNORECASE)


_KEYS = frozenset({_TAG + "str"})
_ANY_KEYS = _KEYS | {_TAG + "unclear"}
# Kustomize cuts a stream into documents by lines, before any reader of YAML sees it.
_BEHIND_SEPARATOR = re.compile(rb"^---[ \t]*[^\s-]", re.MULTILINE)


class NotCoveredError(PipelineError):
    """This needs what only Kustomize does, or is wrong in a way that Kustomize explains better."""


class _Loader(yaml.CSafeLoader):
    """PyYAML's C parser with the scalars of YAML 1.2."""


# A table of its own: the one of PyYAML, which others use too, is shared by inheritance.
_Loader.yaml_implicit_resolvers = {}
for _name, _pattern, _first in (
    ("bool", _BOOL, "tTfF"),
    ("int", _INT, "-+0123456789"),
    ("float", _FLOAT, "-+.0123456789"),
    ("null", _NULL, ["~", "n", "N", ""]),
    ("unclear", _UNCLEAR, "yYnNoO0123456789+-.=<"),
):
    _Loader.add_implicit_resolver(_TAG + _name, _pattern, list(_first))


def parse_objects(raw: bytes, *, exact: bool = True, most: int = MAX_BYTES) -> list[Any]:
    """The documents of a YAML stream of at most `most` bytes, empty ones left out.

    Where it need not be `exact`, unclear words are text.

    Raises:
        NotCoveredError: it is not YAML, is too large or deep, uses an alias, a tag or a directive,
            has text behind `---`, a key that is not text, a key twice, or an unclear word.
    """
    if len(raw) > most:
        raise NotCoveredError(too_large(raw, most)[0])
    if _BEHIND_SEPARATOR.search(raw):
        raise NotCoveredError("has text behind the separator of documents (---)")
    try:
        documents = [_plain(node, exact) for node in compose_all(raw, _Loader, tags=False)]
    except RefusedYamlError as error:
        raise NotCoveredError(f"line {error.line} {error.rule}; {error.repair}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise NotCoveredError(f"is not YAML: {str(error).splitlines()[0]}") from error
    return [document for document in documents if document is not None]


def parse_built(raw: bytes) -> list[Any]:
    """What Kustomize has printed, of at most MAX_BUILT bytes.

    Raises:
        NotCoveredError: as above.
    """
    return parse_objects(raw, exact=False, most=MAX_BUILT)


def _plain(node: yaml.Node, exact: bool) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node.tag, node.value, exact)
    assert isinstance(node, yaml.CollectionNode)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, exact) for item in node.value]
    assert isinstance(node, yaml.MappingNode)
    values: dict[str, Any] = {}
    for key, value in node.value:
        # A key that is a number or a word such as `true` is none that JSON could have.
        if not isinstance(key, yaml.ScalarNode) or key.tag not in (_KEYS if exact else _ANY_KEYS):
            raise NotCoveredError("has a key that is not text")
        values[key.value] = _plain(value, exact)
    # A merge key is as good as twice: which of the two values holds is the reader's to say.
    if len(values) != len(node.value) or "<<" in values:
        raise NotCoveredError("has a key twice")
    return values


def _scalar(tag: str, text: str, exact: bool) -> Any:
    kind = tag.removeprefix(_TAG)
    if kind == "str" or (kind == "unclear" and not exact):
        return text
    if kind == "bool":
        return text[0] in "tT"
    if kind == "int":
        if len(text) > _MOST_DIGITS:
            raise NotCoveredError(f"has a number of {len(text)} digits")
        return int(text)
    if kind == "float":
        number = float(text)
        # Go takes a number that is too large for text.
        return text if math.isinf(number) else number
    if kind == "null":
        return None
    raise NotCoveredError(f"has the unclear word {text}")
