"""What machines write into git: receipts of prepared data and of runs, and verdicts on rollouts."""

from typing import Annotated, Literal

from pydantic import Field

from ml_pipeline.documents.experiment import Gates, Parameters, Topology
from ml_pipeline.documents.fields import (
    ApiVersion,
    Digest,
    RunReference,
    Sha256,
    ShortId,
    Slug,
    Strict,
    Text,
    Timestamp,
    added,
    matching,
)
from ml_pipeline.layout import Receipt


class Stored(Strict):
    """Bytes in the artifact store of the environment."""

    uri: Text = Field(description="Path below the environment's artifact store; required.")
    sha256: Sha256 = Field(
        description="SHA-256 of the file, or of the folder's sorted list of files; required."
    )
    bytes: int = Field(ge=1, description="Size; required.")


class Column(Strict):
    """One column of prepared data with its statistics."""

    name: Text = Field(description="Name of the column; required.")
    dtype: Text = Field(description="numpy type; required.")
    min: float = Field(description="Least value; required.")
    max: float = Field(description="Greatest value; required.")
    mean: float = Field(description="Mean; required.")
    std: float = Field(description="Standard deviation; required.")
    missing: int = Field(0, ge=0, description="Rows without a value; default 0.")


class Tracked(Strict):
    """Where the run is in MLflow."""

    run_id: Text = Field(description="MLflow run; required.")
    experiment: Text = Field(description="MLflow experiment; required.")


class DataVersion(Strict):
    """Receipt of a finished data preparation: `experiments/<name>/data/<id>.yaml`."""

    apiVersion: ApiVersion = Field(
        description="Version of the format, always ml-pipeline/v1; required."
    )
    kind: Literal["DataVersion"] = Field(description="Always DataVersion; required.")
    id: ShortId = Field(
        description="First ten digits of the identity, the same as the file's name; required."
    )
    identity: Sha256 = Field(description="Hash of environment, dataset and entry point; required.")
    environment: Slug = Field(description="Where the bytes are; required.")
    source: Text = Field(description="Address of the source; required.")
    image: Digest = Field(description="Code that prepared it; required.")
    data: Stored | None = Field(
        description="The prepared bytes, null where preparation failed; required."
    )
    reason: Text | None = Field(None, description="Why it failed; default none.")
    tracking: Tracked | None = Field(
        None, description="The MLflow run that left nonsense behind; default none."
    )
    rows: int = Field(0, ge=0, description="Rows in all; default 0.")
    holdout_rows: int = Field(0, ge=0, description="Rows kept for the gates; default 0.")
    shape: tuple[int, ...] = Field((), description="Shape of one row; default empty.", strict=False)
    classes: int = Field(0, ge=0, description="Distinct labels; default 0.")
    columns: tuple[Column, ...] = Field(
        (),
        description="Schema and statistics, one a column or channel; default empty.",
        strict=False,
    )


Line = Annotated[
    str,
    matching(
        r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,500}",
        "must be one line of at most 500 characters; restore it from git",
    ),
]


class Signature(Strict):
    """What a model takes and gives, as MLflow's signature says:
    types and shapes, -1 for any number of rows.
    """

    inputs: Line = Field(description="Tensors that it takes, such as float32 [-1, 64]; required.")
    outputs: Line = Field(description="Tensors that it gives; required.")


class GateResult(Strict):
    """One gate, what was measured, and what was asked."""

    name: Literal["quality", "latency", "memory", "signature"] = Field(
        description="The gate; required."
    )
    passed: bool = Field(description="Whether it holds; a missing value fails; required.")
    value: float | None = Field(None, description="What was measured; default none.")
    limit: float | None = Field(None, description="What was asked; default none.")


class Cost(Strict):
    """What the run cost."""

    amount: float = Field(ge=0, description="In the environment's currency; required.")
    currency: Text = Field(description="Currency; required.")
    pool: Slug = Field(description="Node pool; required.")


class Held(Strict):
    """What each pod of the run held."""

    cpu: Text = Field(description="Cores; required.")
    memory: Text = Field(description="Memory limit; required.")
    gpus: int = Field(0, ge=0, description="GPUs, shares or slices; default 0.")
    options: tuple[Text, ...] = Field(
        (), description="Components that were on; default none.", strict=False
    )


class Estimated(Strict):
    """What the run was expected to take when it was settled, from the receipts before it."""

    runs: int = Field(
        ge=0, description="Like runs that it rests on; with 0 it is the budget; required."
    )
    p50_s: float = Field(ge=0, description="Seconds, median; required.")
    p90_s: float = Field(ge=0, description="Seconds, 90th percentile; required.")
    p50: float = Field(ge=0, description="Cost, median, in the environment's currency; required.")
    p90: float = Field(
        ge=0, description="Cost, 90th percentile, in the environment's currency; required."
    )


class Identity(Strict):
    """What decides the result of a run; its hash is the run's identity."""

    model_type: Text = Field(description="Architecture; required.")
    image: Digest = Field(description="Code; required.")
    entry_point: Text = Field(description="Command that trains; required.")
    parameters: Parameters = Field(
        description="Hyperparameters, with every default written out; required."
    )
    seed: int = Field(description="Seed; required.")
    data: Sha256 = Field(description="SHA-256 of the prepared data; required.")
    topology: Topology = Field(description="Processes; required.")
    environment: Slug | None = added(
        None,
        "Where it trained, for a run that was trained before where this environment cannot reach; "
        "default none.",
    )


class Run(Strict):
    """Receipt of a finished run: `experiments/<name>/runs/<id>.yaml`.

    With it the run is settled.
    """

    apiVersion: ApiVersion = Field(
        description="Version of the format, always ml-pipeline/v1; required."
    )
    kind: Literal["Run"] = Field(description="Always Run; required.")
    id: ShortId = Field(
        description="First ten digits of the identity, the same as the file's name; required."
    )
    identity: Sha256 = Field(description="Hash of `decided_by`; required.")
    decided_by: Identity = Field(description="What the identity is the hash of; required.")
    experiment: Slug = Field(description="Experiment that asked for it; required.")
    model: Slug = Field(description="Model that it trained; required.")
    environment: Slug = Field(description="Where it trained; required.")
    commit: Text = Field(description="Commit whose experiment was trained; required.")
    outcome: Literal["succeeded", "failed"] = Field(description="How it ended; required.")
    reason: Text | None = Field(None, description="Why it failed, with the repair; default none.")
    tracking: Tracked | None = Field(None, description="The MLflow run; default none.")
    metrics: dict[str, float] = Field(
        default_factory=dict, description="Last value of each metric; default empty."
    )
    limits: Gates = Field(Gates(), description="Gates that the experiment asked for; has defaults.")
    gates: tuple[GateResult, ...] = Field(
        (), description="Results; a run without them cannot be promoted.", strict=False
    )
    artifact: Stored | None = Field(None, description="The model; default none.")
    signature: Signature | None = Field(
        None, description="What the model takes and gives; default unknown."
    )
    started: Timestamp | None = Field(None, description="UTC; default none.")
    duration_s: float = Field(0.0, ge=0, description="Seconds from start to end; default 0.")
    queued_s: float = Field(
        0.0, ge=0, description="Seconds from its overlay's commit to its start; default 0."
    )
    peak_memory_mb: float | None = Field(
        None, ge=0, description="Most memory that a pod has used, in MiB; default unknown."
    )
    held: Held | None = Field(None, description="What each pod held; default unknown.")
    cost: Cost | None = Field(None, description="Actual cost; default none.")
    estimate: Estimated | None = Field(
        None, description="What it was expected to take; default none."
    )

    @property
    def reference(self) -> str:
        """`experiment/id`, as promotions and commands name it."""
        return Receipt(self.experiment, self.id).reference


class PredictorEvidence(Strict):
    """What was measured of one predictor in the last step."""

    run: RunReference = Field(description="The run it serves; required.")
    weight: int = Field(ge=0, le=100, description="Declared percent of traffic; required.")
    requests: int = Field(ge=0, description="Requests, refused ones left out; required.")
    errors: int = Field(
        ge=0,
        description=(
            "Of these, without a right answer: 5xx, 404, 429, timed out, cut off; required."
        ),
    )
    refused: int = Field(
        0, ge=0, description="Requests answered with another 4xx, the client's fault; default 0."
    )
    timed: int | None = Field(
        None,
        ge=0,
        description="Right answers whose latency counts, after a new server's first; default none.",
    )
    slow: int | None = Field(
        None, ge=0, description="Of these, slower than `slow_above_ms`; default none."
    )
    slow_above_ms: float | None = Field(
        None,
        description="The stable's p99 with its margin, in milliseconds; default none.",
    )
    p99_ms: float | None = Field(
        None, description="99th percentile of latency in milliseconds; default none."
    )


class Verdict(Strict):
    """Why a rollout was finished or aborted: `environments/<env>/verdicts/<model>/<id>.yaml`."""

    apiVersion: ApiVersion = Field(
        description="Version of the format, always ml-pipeline/v1; required."
    )
    kind: Literal["Verdict"] = Field(description="Always Verdict; required.")
    id: ShortId = Field(description="Rollout that it ends, the same as the file's name; required.")
    model: Slug = Field(description="The model; required.")
    environment: Slug = Field(description="Where; required.")
    outcome: Literal["finished", "aborted"] = Field(description="How the rollout ended; required.")
    reason: Text = Field(description="What decided it; required.")
    run: RunReference = Field(description="The candidate; required.")
    evidence: tuple[PredictorEvidence, ...] = Field(
        description="What was measured in the last step; required.", strict=False
    )
