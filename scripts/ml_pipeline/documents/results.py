"""What a Job leaves behind, read as what it is: text from outside, which may hold anything.

Its pod says in a few words which MLflow run holds its receipt, and what bytes that receipt has;
MLflow gives bytes. A receipt is looser than a document where a newer trainer may say more, and as
strict where a value goes into git.
"""

import hashlib
from dataclasses import dataclass
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from ml_pipeline.documents.escape import shown
from ml_pipeline.documents.fields import LINE, Sha256, Timestamp, matching, one_line
from ml_pipeline.documents.nodes import dotted
from ml_pipeline.documents.reader import rule_of

MAX_BYTES = 1024 * 1024
MESSAGE_BYTES = 4096  # of a termination message, as the kubelet keeps it
_LONGEST_S = 10 * 366 * 86400.0
_MOST_MB = 1e9
_MOST = 10**15  # larger whole numbers are no counts, and YAML readers differ on them


class Untrusted(BaseModel):
    """A part of a result: no guessed types, finite numbers; what is not known is passed over."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, allow_inf_nan=False)


RunId = Annotated[str, matching(r"[0-9a-f]{32}", "must be 32 hex digits, as MLflow names runs")]


class TerminationMessage(BaseModel):
    """What a pod says of the run or data that it has finished: its receipt's place and bytes."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    identity: Sha256
    mlflow_run: RunId
    receipt_sha256: Sha256


@dataclass(frozen=True)
class Finished:
    """What a pod has said of its run, and what MLflow has of it.

    `receipt` has MAX_BYTES + 1 bytes at most; `folders` are those below the artifact store in which
    MLflow keeps what that run has logged.
    """

    message: TerminationMessage
    receipt: bytes
    folders: tuple[str, ...] = ()

    @property
    def run_id(self) -> str:
        """The MLflow run."""
        return self.message.mlflow_run

    @property
    def is_as_said(self) -> bool:
        """Whether these are the bytes that the pod has left."""
        return hashlib.sha256(self.receipt).hexdigest() == self.message.receipt_sha256


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must be one line of printable text")
    return value


def _below_the_store(value: str) -> str:
    leaves = value.startswith("/") or ".." in value.split("/")
    if leaves or not set(" '\"`$;|&<>\\").isdisjoint(value):
        raise ValueError("must be a path below the artifact store, without '..', spaces or quotes")
    return value


Line = Annotated[str, Field(min_length=1, max_length=LINE), AfterValidator(_printable)]
Count = Annotated[int, Field(ge=0, le=_MOST)]


class StoredResult(Untrusted):
    """Bytes that the Job has put into the artifact store."""

    uri: Annotated[Line, AfterValidator(_below_the_store)]
    sha256: Sha256
    bytes: int = Field(ge=1, le=_MOST)


class SignatureResult(Untrusted):
    """What a model takes and gives, as MLflow's signature says."""

    inputs: Line
    outputs: Line


class TrainingResult(Untrusted):
    """What a training leaves behind. Durations in seconds, memory in MiB."""

    metrics: dict[Line, FiniteFloat] = Field(max_length=200)
    signature: bool | SignatureResult | None
    artifact: StoredResult
    started: Timestamp
    duration_s: float = Field(ge=0, le=_LONGEST_S)
    peak_memory_mb: float | None = Field(None, ge=0, le=_MOST_MB)


class ColumnResult(Untrusted):
    """One column of prepared data."""

    name: Line
    dtype: Line
    min: float
    max: float
    mean: float
    std: float
    missing: Count = 0


class PreparationResult(Untrusted):
    """What a data preparation leaves behind."""

    data: StoredResult
    rows: Count
    holdout_rows: Count
    shape: Annotated[tuple[Count, ...], Field(strict=False, max_length=10, fail_fast=True)] = ()
    classes: Count
    columns: Annotated[
        tuple[ColumnResult, ...], Field(strict=False, max_length=10_000, fail_fast=True)
    ] = ()


Result = TypeVar("Result", TrainingResult, PreparationResult)


def read_termination_message(message: str) -> TerminationMessage | str | None:
    """What a termination message says of a result, below the line of the peak.

    Text is what is wrong with it, in a few words; None is a message without a result, such as the
    reason of a failure.
    """
    _, _, line = message.partition("\n")
    if not line.startswith("{"):
        return None
    size = len(message.encode(errors="replace"))
    if size > MESSAGE_BYTES:
        return f"has {size} bytes, {MESSAGE_BYTES} are kept of one"
    try:
        return TerminationMessage.model_validate_json(line)
    except ValidationError as error:
        return _problem(error)


def read_result(kind: type[Result], finished: Finished) -> Result | str:
    """The result of a Job, or what is wrong with it, in one line without the repair."""
    what = f"receipt.json of MLflow run {one_line(finished.run_id, 64)}"
    if len(finished.receipt) > MAX_BYTES:
        return f"{what} has more than {MAX_BYTES} bytes"
    try:
        return kind.model_validate_json(finished.receipt)
    except ValidationError as error:
        return one_line(f"{what}: {_problem(error)}")


def _problem(error: ValidationError) -> str:
    first, *more = error.errors(include_url=False)
    at = one_line(dotted(tuple(first["loc"])), 100)
    if first["type"] == "missing":
        text = f"{at} is missing"
    elif first["type"] == "json_invalid":
        text = f"is not JSON ({first['ctx']['error']})"
    else:
        # The repair of a document is none for a result: nobody edits it.
        rule = rule_of(first).partition(";")[0]
        text = f"{at}: {shown(first['input'])} {rule}".removeprefix(": ")
    others = f", and {len(more)} more faults" if more else ""
    return one_line(f"{text}{others}")
