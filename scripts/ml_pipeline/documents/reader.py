"""From bytes to documents: which kind a path holds, and every fault in words to act on."""

import difflib
import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ml_pipeline import layout
from ml_pipeline.documents.canonical import Location
from ml_pipeline.documents.data_snapshot import DataSnapshot
from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.escape import has_credentials, shown, without_credentials
from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.faults import Fault, InvalidDocumentsError
from ml_pipeline.documents.nodes import dotted
from ml_pipeline.documents.promotion import Promotion
from ml_pipeline.documents.receipts import DataVersion, Run, Verdict
from ml_pipeline.documents.source import Source, Special, parse
from ml_pipeline.documents.unreadable import glued

Part = TypeVar("Part", bound=BaseModel)
Document = Experiment | DataSnapshot | DataVersion | Run | Promotion | Environment | Verdict

# Items of a list: the most are the columns of prepared data. What is wrong with each of a million
# would take all memory to say.
_MOST_ITEMS = 10_000
# Faults of one file: a list that is wrong throughout would be told item by item.
_MOST_FAULTS = 100
KINDS: tuple[tuple[re.Pattern[str], type[Document]], ...] = (
    (layout.EXPERIMENT, Experiment),
    (layout.DATA_SNAPSHOT, DataSnapshot),
    (layout.DATA, DataVersion),
    (layout.RUN, Run),
    (layout.ENVIRONMENT, Environment),
    (layout.PROMOTION, Promotion),
    (layout.VERDICT, Verdict),
)

_RULES = {
    "greater_than": "must be more than {gt}; raise it",
    "greater_than_equal": "must be at least {ge}; raise it",
    "less_than": "must be less than {lt}; lower it",
    "less_than_equal": "must be at most {le}; lower it",
    "literal_error": "is not one of {expected}; choose one",
    "int_type": "must be a whole number; write it without quotes, unit or fraction",
    "float_type": "must be a number; write it without quotes or unit",
    "string_type": "must be text; quote it",
    "bool_type": "must be true or false; choose one",
    "tuple_type": "must be a list; start each item with '- '",
    "dict_type": "must hold keys and values; write each as key: value",
    "model_type": "must hold keys and values; write each as key: value",
    "string_too_short": "must not be empty; fill it in",
    "string_too_long": "must have at most {max_length} characters; shorten it",
    "too_short": "must have at least {min_length} item; add one",
    "too_long": "must have at most {max_length} items; leave some out",
    "finite_number": "must be a finite number; write one",
}
# What fills in a key that people need not know.
_REPAIRS: dict[tuple[type[BaseModel], Location], str] = {
    (Experiment, ("image",)): "`ml-pipeline submit` pins it"
}


def kind_of(path: str) -> type[Document] | None:
    """The kind of document that a path holds, None where it holds none."""
    for pattern, kind in KINDS:
        if pattern.fullmatch(path):
            return kind
    return None


def read(path: str, raw: bytes) -> tuple[Document, Source] | list[Fault]:
    """The document at a path, or all of its faults."""
    kind = kind_of(path)
    if isinstance(raw, Special):
        return [raw.fault(path)]
    if kind is None:
        text = "is in no place that holds documents; see the tree in README.md"
        return [Fault(path, 1, "", text)]
    source = parse(path, raw)
    return [source] if isinstance(source, Fault) else interpret(kind, source)


def interpret(kind: type[Document], source: Source) -> tuple[Document, Source] | list[Fault]:
    """A parsed file as a document of a kind, or all of its faults."""
    if source.data.get("kind") not in (kind.__name__, None):
        rule = f"is not the kind that belongs here, {kind.__name__}; move the file or change kind"
        return [source.fault("kind", f"{shown(source.data['kind'])} {rule}")]
    crowded: list[Fault] = []
    secrets: list[Fault] = []
    for at, value in _values((), source.data):
        if isinstance(value, list) and len(value) > _MOST_ITEMS:
            text = f"has {len(value)} items, at most {_MOST_ITEMS} are read; shorten it"
            crowded.append(source.fault(at, text))
        elif isinstance(value, str) and has_credentials(value):
            text = f"{shown(value)} holds a user or password; keep it in a Secret, and renew it"
            secrets.append(source.fault(at, text))
    if crowded:
        return crowded
    try:
        document = part(kind, source)
    except InvalidDocumentsError as error:
        # Of a value that is a secret nothing else is said: another fault would show it.
        secret_keys = {fault.key for fault in secrets}
        return secrets + [fault for fault in error.faults if fault.key not in secret_keys]
    return secrets or (document, source)


def _values(at: Location, value: Any) -> Iterator[tuple[Location, Any]]:
    """Every value with its place, but not what is inside a list that is too long to be read."""
    yield at, value
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _values((*at, key), item)
    elif isinstance(value, list) and len(value) <= _MOST_ITEMS:
        for number, item in enumerate(value):
            yield from _values((*at, number), item)


def part(kind: type[Part], source: Source) -> Part:
    """Parsed data as a document or as a part of one.

    Raises:
        InvalidDocumentsError: with every fault.
    """
    try:
        return kind.model_validate(source.data)
    except ValidationError as error:
        first = error.errors(include_url=False)[:_MOST_FAULTS]
        faults = [_fault(source, kind, details) for details in first]
        more = error.error_count() - len(first)
        if more:
            faults.append(Fault(source.path, 1, "", f"has {more} more faults; mend these first"))
        raise InvalidDocumentsError(faults) from error


def rule_of(details: ErrorDetails) -> str:
    """The rule that a value breaks, with the repair after a ';'."""
    name = details["type"]
    if name == "value_error":
        return str(details["ctx"]["error"])
    return _RULES.get(name, details["msg"]).format(**details.get("ctx", {}))


def _fault(source: Source, kind: type[BaseModel], details: ErrorDetails) -> Fault:
    at: Location = tuple(details["loc"])
    name = details["type"]
    if name == "missing":
        repair = _REPAIRS.get((kind, at), "add it")
        return Fault(source.path, source.line(at[:-1]), dotted(at), f"is missing; {repair}")
    if name == "extra_forbidden":
        apart = glued(str(at[-1])) if details["input"] is None else None
        return source.fault(at, apart or _unknown(kind, at))
    if at == ("apiVersion",):
        known = details.get("ctx", {}).get("expected", "'ml-pipeline/v1'")
        text = f"is no version that this code reads; write {known}, or update this clone"
        return source.fault(at, f"{shown(details['input'])} {text}")
    text = without_credentials(rule_of(details))
    # A rule about several keys of a part names the one that is to be mended.
    key = re.match(r"([a-z0-9_]+): ", text) if name == "value_error" else None
    if key:
        return source.fault((*at, key[1]), text[key.end() :])
    return source.fault(at, f"{shown(details['input'])} {text}")


def _unknown(kind: type[BaseModel], at: Location) -> str:
    """What a key means that this code does not know: in what machines write, newer code."""
    if kind in (DataSnapshot, DataVersion, Run, Verdict):
        rule = "is not a key that this code knows; a machine wrote it with newer code"
        return f"{rule}, update this clone"
    return f"is not a known key; {_closest(kind, at)}"


def _closest(kind: type[BaseModel], at: Location) -> str:
    known = list(_fields_at(kind, at[:-1]))
    near = difflib.get_close_matches(str(at[-1]), known, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"


def _fields_at(kind: type[BaseModel], at: Location) -> Iterable[str]:
    """The keys that a part of a document may have."""
    model: Any = kind
    for key in at:
        if isinstance(key, str) and key in getattr(model, "model_fields", ()):
            model = model.model_fields[key].annotation
            # Of a list, or of a part that may be absent, what it holds.
            for choice in getattr(model, "__args__", ()):
                if hasattr(choice, "model_fields"):
                    model = choice
                    break
    return getattr(model, "model_fields", ())
