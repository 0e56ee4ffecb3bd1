"""The field types that documents share: names, digests, quantities, durations, addresses."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
)
from pydantic_core import CoreSchema, core_schema

from ml_pipeline.documents.escape import without_credentials

ApiVersion = Literal["ml-pipeline/v1"]
API_VERSION: ApiVersion = "ml-pipeline/v1"
LINE = 500  # most characters of a text in a document

_SLUG = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_MEMORY_PATTERN = r"([1-9][0-9]{0,6})(Mi|Gi|Ti)"
_CPU_PATTERN = r"([1-9][0-9]{0,5})(m?)"
_DURATION_PATTERN = r"([1-9][0-9]{0,5})([smhd])"
_MEMORY = {"Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_TIMESTAMP = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"
_ONE_LINE = r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]*"
_SCHEMES = ("bundled", "file", "s3", "https")
URI = rf"(?:{'|'.join(_SCHEMES)})://[^\s\x00-\x1f\x7f-\x9f\x22\x27`$;|&<>\\]+"


class Strict(BaseModel):
    """A part of a document: no unknown keys, no guessed types, no values that change."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)


def added(default: Any, description: str, **rules: Any) -> Any:
    """A field that a kind of document got later, whose default means what was done before.

    While it has its default it is left out of everything that is written or hashed: identities,
    receipts, overlays and the arguments of a Job stay as they were without it.
    docs/decisions/0020-how-formats-grow.md.
    """
    return Field(
        default, description=description, exclude_if=lambda value: value == default, **rules
    )


def as_written(value: Any) -> Any:
    """What stood in the file, where YAML took text made of digits for a number."""
    return getattr(value, "text", value)


def anchored(pattern: str) -> str:
    """A pattern of a JSON Schema that a whole value matches."""
    # `$` alone lets a newline follow where Python reads the schema; in the dialect that the
    # standard names (ECMA-262) what stands behind it is always true.
    return f"^({pattern})$(?!\\n)"


def _slug(value: str) -> str:
    if not re.fullmatch(_SLUG, value):
        raise ValueError("must be lower-case letters, digits and '-'; rename it")
    if len(value) > 40:
        raise ValueError(
            f"has {len(value)} characters, Kubernetes names leave room for 40; shorten it"
        )
    return value


def _single_line(value: str) -> None:
    if not re.fullmatch(_ONE_LINE, value):
        raise ValueError("must be one line without control characters; write it in plain text")


# Thousands of documents hold the same few quantities.
@lru_cache(maxsize=2**10)
def memory_bytes(quantity: str) -> int:
    """Bytes of a memory quantity such as `512Mi`, `32Gi`."""
    match = re.fullmatch(_MEMORY_PATTERN, quantity)
    if not match:
        raise ValueError("must be a whole number and Mi, Gi or Ti, such as 512Mi or 32Gi")
    return int(match[1]) * _MEMORY[match[2]]


@lru_cache(maxsize=2**10)
def cpu_cores(quantity: str) -> float:
    """Cores of a CPU quantity such as `2` or `500m`."""
    match = re.fullmatch(_CPU_PATTERN, quantity)
    if not match:
        raise ValueError("must be whole cores or millicores, such as 2 or 500m")
    return int(match[1]) / (1000 if match[2] else 1)


@lru_cache(maxsize=2**10)
def seconds(duration: str) -> int:
    """Seconds of a duration such as `90s`, `30m`, `12h`, `2d`."""
    match = re.fullmatch(_DURATION_PATTERN, duration)
    if not match:
        raise ValueError("must be a whole number and s, m, h or d, such as 30m or 12h")
    return int(match[1]) * _SECONDS[match[2]]


def one_line(text: str, limit: int = LINE) -> str:
    """Text of somebody else as one printable line of at most `limit` characters."""
    # A few characters more than are shown are enough, however long the text is.
    shown = "".join(map(_printable, text[: 4 * limit]))
    line = without_credentials(" ".join(shown.split()))
    return line if len(line) <= limit else f"{line[: limit - 3]}..."


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else "?"


def _timestamp(value: str) -> None:
    try:
        datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        known = False
    else:
        known = re.fullmatch(_TIMESTAMP, value) is not None
    if not known:
        raise ValueError(
            "must be a time in UTC such as 2026-01-31T12:00:00Z; restore the file from git"
        )


def check_uri(value: str) -> str:
    """An address of data.

    Raises:
        ValueError: it is none, with the rule and the repair.
    """
    scheme, separator, rest = value.partition("://")
    if not separator or scheme not in _SCHEMES:
        raise ValueError(f"must start with one of {'://, '.join(_SCHEMES)}://")
    if not rest.strip("/"):
        raise ValueError("names no path after the scheme; give the whole address")
    if ".." in rest.split("/"):
        raise ValueError("leaves its folder with '..'; write the path without it")
    if not re.fullmatch(URI, value):
        raise ValueError("holds a space, quote or shell character; rename the file")
    return value


@dataclass(frozen=True, eq=False)  # by identity: an annotation has to be hashable
class Written:
    """Text checked as it was written; `check` raises ValueError with the rule and the repair."""

    check: Callable[[str], Any]
    schema: dict[str, Any]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Numbers become text again, then the rule is applied."""
        checked = core_schema.no_info_after_validator_function(self._apply, handler(source))
        return core_schema.no_info_before_validator_function(as_written, checked)

    def __get_pydantic_json_schema__(
        self, _core: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """What editors are told."""
        return dict(self.schema)

    def _apply(self, value: str) -> str:
        self.check(value)
        return value


def matching(pattern: str, rule: str) -> Written:
    """Text that matches a pattern whole; `rule` says it in words, with the repair."""

    def check(value: str) -> None:
        if not re.fullmatch(pattern, value):
            raise ValueError(rule)

    return Written(check, {"type": "string", "pattern": anchored(pattern)})


Slug = Annotated[
    str, Written(_slug, {"type": "string", "pattern": anchored(_SLUG), "maxLength": 40})
]
Text = Annotated[
    str,
    Field(min_length=1, max_length=LINE),
    Written(
        _single_line,
        {"type": "string", "minLength": 1, "maxLength": LINE, "pattern": anchored(_ONE_LINE)},
    ),
]
Digest = Annotated[
    str,
    matching(
        r"sha256:[0-9a-f]{64}",
        "must be a digest, sha256: and 64 hex digits; a tag can move, so pin the digest",
    ),
]
Sha256 = Annotated[
    str, matching(r"[0-9a-f]{64}", "must be 64 hex digits; copy it from the output of sha256sum")
]
ShortId = Annotated[
    str, matching(r"[0-9a-f]{10}", "must be ten hex digits; restore the file from git")
]
Memory = Annotated[
    str, Written(memory_bytes, {"type": "string", "pattern": anchored(_MEMORY_PATTERN)})
]
Cpu = Annotated[
    str, Written(cpu_cores, {"type": ["string", "integer"], "pattern": anchored(_CPU_PATTERN)})
]
Duration = Annotated[
    str, Written(seconds, {"type": "string", "pattern": anchored(_DURATION_PATTERN)})
]
Uri = Annotated[
    str, Written(check_uri, {"type": "string", "format": "uri", "pattern": anchored(URI)})
]
RunReference = Annotated[
    str,
    matching(
        r"[a-z0-9-]{1,40}/[0-9a-f]{10}",
        "must be experiment/id; copy it from the path of the receipt",
    ),
]
Timestamp = Annotated[str, Written(_timestamp, {"type": "string", "pattern": anchored(_TIMESTAMP)})]
