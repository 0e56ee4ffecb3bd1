"""Kubernetes objects as plain data. Go's YAML readers, and so Kustomize and the API server, disagree among themselves about bare
words such as `on`, `N`, `010`: what Kustomize prints never has one, and elsewhere they are not covered."""

import math
import re
from collections.abc import Mapping
from typing import Any

import yaml

from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.source import MAX_BYTES, refuse_deep

Object = Mapping[str, Any]
_TAG = "tag:yaml.org,2002:"
_BOOL, _INT = (
    re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"),
    re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z"),
)
_FLOAT = re.compile(
    r"[-+]?(?:0|[1-9][0-9]*)?(?:\.[0-9]+|(?<=[0-9])\.)?(?<=[0-9.])(?:[eE][-+]?[0-9]+)?\Z"
)
_NULL = re.compile(r"(?:~|null|Null|NULL|)\Z")
_NUMERIC = r"[-+]?[0-9][0-9_.:eExXoOa-fA-F+-]*|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}[Tt ].*"
_UNCLEAR = re.compile(rf"(?:y|n|yes|no|on|off|{_NUMERIC}|[-+]?\.(?:inf|nan)|=|<<)\Z", re.IGNORECASE)


class NotCoveredError(PipelineError):
    """This needs something that only Kustomize does, or is wrong in a way that Kustomize explains better."""


class _Loader(yaml.CSafeLoader):
    """PyYAML's C parser with the scalars of YAML 1.2."""


_Loader.yaml_implicit_resolvers = {}
for _name, _pattern, _first in (
    ("bool", _BOOL, "tTfF"),
    ("int", _INT, "-+0123456789"),
    ("float", _FLOAT, "-+.0123456789"),
    ("null", _NULL, ["~", "n", "N", ""]),
    ("unclear", _UNCLEAR, "yYnNoO0123456789+-.=<"),
):
    _Loader.add_implicit_resolver(_TAG + _name, _pattern, list(_first))


def parse_objects(raw: bytes, *, exact: bool = True) -> list[Any]:
    """The documents of a YAML stream, empty ones left out; where it need not be `exact`, unclear words are text.

    Raises:
        NotCoveredError: it is not YAML, uses an alias or a tag, has a key twice or an unclear word.
    """
    if exact and len(raw) > MAX_BYTES:
        raise NotCoveredError(f"has {len(raw)} bytes, more than {MAX_BYTES}")
    try:
        refuse_deep(raw)
        found = [_plain(node, set(), exact) for node in yaml.compose_all(raw, Loader=_Loader)]
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise NotCoveredError(f"is not YAML: {str(error).splitlines()[0]}") from error
    return [document for document in found if document is not None]


def _plain(node: yaml.Node, seen: set[int], exact: bool) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node.tag, node.value, exact)
    if id(node) in seen:
        raise NotCoveredError("uses an alias")
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, seen, exact) for item in node.value]
    assert isinstance(node, yaml.MappingNode)
    if not all(isinstance(key, yaml.ScalarNode) for key, _ in node.value):
        raise NotCoveredError("has a key that is not text")
    out = {key.value: _plain(value, seen, exact) for key, value in node.value}
    if len(out) != len(node.value) or "<<" in out:
        raise NotCoveredError("has a key twice")
    return out


def _scalar(tag: str, text: str, exact: bool) -> Any:
    kind = tag.removeprefix(_TAG)
    if kind == "str" or (kind == "unclear" and not exact):
        return text
    if kind == "bool":
        return text[0] in "tT"
    if kind == "int":
        return int(text)
    if kind == "float":
        return (
            text if math.isinf(float(text)) else float(text)
        )  # Go takes a number that is too large for text
    if kind == "null":
        return None
    raise NotCoveredError(
        f"has the unclear word {text}" if kind == "unclear" else f"has the tag {tag}"
    )
