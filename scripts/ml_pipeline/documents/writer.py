"""From data to YAML bytes, deterministic to the byte.

Block style, keys in the order given, anything a YAML 1.1 reader could take for a number quoted,
lines kept as lines; in overlays, a mark at the end of every line.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml
from pydantic import BaseModel

from ml_pipeline.documents.schemas import editor_comment
from ml_pipeline.documents.source import Integer, Number

# git compares two files by the pieces that they share, lines cut after this many bytes
# (diffcore-delta.c).
_PIECE = 64
_UNLIMITED = -1  # as libyaml takes a width
_AMBIGUOUS = re.compile(r"[yYnN]\Z|[-+]?[0-9][0-9_.:eExXoOa-fA-F+-]*\Z")


class _Dumper(yaml.CSafeDumper):
    """Writes a value out in each place that it stands in: readers refuse aliases."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True


def _string(dumper: Any, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    if _AMBIGUOUS.match(value):
        style = "'"
    node: yaml.ScalarNode = dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)
    return node


class _LineDumper(_Dumper):
    """One line a scalar, so that nothing of a comment at a line's end becomes part of a value."""


def _one_line(dumper: Any, value: str) -> yaml.ScalarNode:
    style = '"' if len(value.splitlines()) > 1 else None
    if _AMBIGUOUS.match(value):
        style = "'"
    node: yaml.ScalarNode = dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)
    return node


_Dumper.add_representer(str, _string)
_LineDumper.add_representer(str, _one_line)
_Dumper.add_representer(Integer, lambda dumper, value: dumper.represent_int(int(value)))
_Dumper.add_representer(Number, lambda dumper, value: dumper.represent_float(float(value)))


def to_yaml(data: Any) -> bytes:
    """Deterministic YAML of plain data."""
    text: str = yaml.dump(
        data,
        Dumper=_Dumper,
        sort_keys=False,
        default_flow_style=False,
        width=160,
        allow_unicode=True,
    )
    return text.encode()


def to_marked_yaml(data: Any, mark: str) -> bytes:
    """Deterministic YAML that git never takes for another such file, moved.

    The mark, ten digits, ends every line. git pairs a file that goes with one that comes where they
    share half of their bytes, and a revert of either then conflicts. What two files with different
    marks share is at most the whole pieces of their long lines: where those are more than a fifth
    of the file, such as with a very long address, a last line of marks makes it longer.
    """
    text: str = yaml.dump(
        data,
        Dumper=_LineDumper,
        sort_keys=False,
        default_flow_style=False,
        width=_UNLIMITED,
        allow_unicode=True,
    )
    lines = [f"# {mark} on each line: no overlay is another one renamed"]
    lines += [f"{line}  # {mark}" for line in text.rstrip("\n").split("\n")]
    whole, shared = 0, 0
    for line in lines:
        size = len(line.encode()) + 1
        whole += size
        shared += size // _PIECE * _PIECE
    lacking = 5 * shared - whole
    if lacking > 0:
        lines.append("#" + f" {mark}" * (lacking // len(mark) + 1))
    return ("\n".join(lines) + "\n").encode()


def to_document(path: str, document: BaseModel) -> bytes:
    """A document as it is committed: the editor comment, then every value.

    Defaults are written too, so that a later default changes nothing. What is empty is left out,
    unless its key is required: a reader refuses a document without it.
    """
    data = document.model_dump(mode="json", exclude_none=True)
    body = {}
    for name, field in type(document).model_fields.items():
        value = data.get(name)
        if field.is_required() or value not in (None, [], {}):
            body[name] = value
    return editor_comment(path, data["kind"]).encode() + to_yaml(body)


def to_commented(path: str, document: BaseModel) -> bytes:
    """A document for people to edit.

    What each key is for stands above it, and defaults are there to be uncommented.
    """
    lines = [editor_comment(path, document.model_dump()["kind"]).rstrip("\n")]
    return "\n".join([*lines, *_commented(document, "")]).encode() + b"\n"


def _commented(part: BaseModel, indent: str) -> Iterator[str]:
    for name, field in type(part).model_fields.items():
        value = getattr(part, name)
        is_set = name in part.model_fields_set and value is not None
        if isinstance(value, BaseModel):
            if is_set:
                yield f"{indent}# {field.description}"
                yield f"{indent}{name}:"
                yield from _commented(value, f"{indent}  ")
            continue
        yield f"{indent}# {field.description}"
        plain = list(value) if isinstance(value, tuple) else value
        for line in to_yaml({name: plain}).decode().splitlines():
            yield f"{indent}{line}" if is_set else f"{indent}# {line}"
