"""From data to YAML bytes: block style, keys in the order given, anything a YAML 1.1 reader could take for a number quoted,
lines kept as lines."""

import re
from collections.abc import Iterator
from typing import Any

import yaml
from pydantic import BaseModel

from ml_pipeline.documents.schemas import editor_comment
from ml_pipeline.documents.source import Integer, Number

_AMBIGUOUS = re.compile(r"[yYnN]\Z|[-+]?[0-9][0-9_.:eExXoOa-fA-F+-]*\Z")


class _Dumper(yaml.CSafeDumper):
    def ignore_aliases(self, _data: Any) -> bool:
        return True


def _string(dumper: Any, value: str) -> yaml.ScalarNode:
    style = "'" if _AMBIGUOUS.match(value) else "|" if "\n" in value else None
    node: yaml.ScalarNode = dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)
    return node


_Dumper.add_representer(str, _string)
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


def to_document(path: str, document: BaseModel) -> bytes:
    """A document as it is committed: the editor comment, then every value, defaults too, so that a later default changes nothing.

    What is empty is left out, unless its key is required: a reader refuses a document without it.
    """
    data = document.model_dump(mode="json", exclude_none=True)
    body = {
        name: data.get(name)
        for name, field in type(document).model_fields.items()
        if field.is_required() or data.get(name) not in (None, [], {})
    }
    return editor_comment(path, data["kind"]).encode() + to_yaml(body)


def to_commented(path: str, document: BaseModel) -> bytes:
    """A document for people to edit: what each key is for stands above it, and defaults are there to be uncommented."""
    lines = [editor_comment(path, document.model_dump()["kind"]).rstrip("\n")]
    return "\n".join([*lines, *_commented(document, "")]).encode() + b"\n"


def _commented(part: BaseModel, indent: str) -> Iterator[str]:
    for name, field in type(part).model_fields.items():
        value = getattr(part, name)
        off = "" if name in part.model_fields_set and value is not None else "# "
        if not (isinstance(value, BaseModel) and off):
            yield f"{indent}# {field.description}"
        if isinstance(value, BaseModel):
            if not off:
                yield f"{indent}{name}:"
                yield from _commented(value, f"{indent}  ")
        else:
            (line, *more) = to_yaml({name: _plain(value)}).decode().splitlines()
            yield from (f"{indent}{off}{text}" for text in (line, *more))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
