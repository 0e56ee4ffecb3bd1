"""What a person writes to train a model: `experiments/<name>/experiment.yaml`."""

from datetime import datetime
from typing import Literal, Self

from pydantic import Field, model_validator

from ml_pipeline.documents.fields import (
    ApiVersion,
    Cpu,
    Digest,
    Duration,
    Memory,
    Sha256,
    Slug,
    Strict,
    Uri,
    added,
)
from ml_pipeline.documents.recurrence import LATEST, Cron, IntervalSource, TimeZone

ModelType = Literal["mlp", "cnn", "resnet18", "resnet50"]
Option = Literal["spot", "gpu-shared", "gpu-mig", "distributed", "kueue"]
BUNDLED = ("digits", "wine", "iris", "breast_cancer")


class Model(Strict):
    """Which model the experiment trains."""

    name: Slug = Field(description="Name under which the model is registered and served; required.")
    type: ModelType = Field(
        description="Architecture, one of those that trainer/models.py builds; required."
    )


class Dataset(Strict):
    """The source data; a data Job prepares it once and its receipt pins the prepared bytes."""

    uri: Uri = Field(
        description="Where the source is: bundled://, file://, s3:// or https://; required."
    )
    sha256: Sha256 | None = Field(
        None, description="SHA-256 of the source; required unless the uri is bundled://."
    )
    holdout: float = Field(
        0.2, gt=0, lt=0.9, description="Share of the rows kept for the gates; default 0.2."
    )
    preparation: int = added(
        1, "Version of what preparing makes, one that the trainer image knows; default 1.", ge=1
    )

    @model_validator(mode="after")
    def _pinned(self) -> Self:
        scheme, _, rest = self.uri.partition("://")
        if scheme == "bundled" and rest not in BUNDLED:
            raise ValueError(
                f"uri: bundled://{rest} is not shipped; use one of {', '.join(BUNDLED)}"
            )
        if scheme != "bundled" and self.sha256 is None:
            raise ValueError(
                "sha256: is missing; data without a digest can change, add the output of sha256sum"
            )
        return self


class Parameters(Strict):
    """What decides the weights, beside data, code and seed."""

    epochs: int = Field(ge=1, le=10_000, description="Passes over the training rows; required.")
    batch_size: int = Field(64, ge=1, le=65_536, description="Rows per optimizer step; default 64.")
    learning_rate: float = Field(
        0.001, gt=0, le=10, description="Step size of the optimizer; default 0.001."
    )
    weight_decay: float = Field(
        0.0, ge=0, le=1, description="Decoupled weight decay of AdamW; default 0."
    )
    hidden: int = Field(
        64, ge=1, le=16_384, description="Width of the hidden layers or first channels; default 64."
    )
    dropout: float = Field(
        0.0, ge=0, lt=1, description="Share of activations dropped in training; default 0."
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="Arithmetic on a GPU; default float32."
    )
    channels_last: bool = Field(
        default=True, description="Memory layout of images on a GPU; default true."
    )
    compile: bool = Field(default=False, description="torch.compile on a GPU; default false.")


class Topology(Strict):
    """How many processes train together."""

    workers: int = Field(
        1, ge=1, le=256, description="Pods that train one model together; default 1."
    )


class Resources(Strict):
    """What each pod asks for and is limited to."""

    cpu: Cpu = Field("1", description="Cores, such as 2 or 500m; default 1.")
    memory: Memory = Field("1Gi", description="Memory limit with unit Mi, Gi or Ti; default 1Gi.")
    gpus: int = Field(
        0, ge=0, le=64, description="Whole GPUs, or shares with the option gpu-shared; default 0."
    )


class Gates(Strict):
    """What a run must reach on held-out data before it can be promoted; on by default."""

    min_accuracy: float = Field(
        0.8, ge=0, le=1, description="Least accuracy on held-out rows; default 0.8."
    )
    max_latency_p99_ms: float = Field(
        50.0, gt=0, description="Most milliseconds for one row, 99th percentile; default 50."
    )
    max_memory_mb: float = Field(
        2048.0,
        gt=0,
        description="Most resident memory of the model while predicting, in MiB; default 2048.",
    )


class Budget(Strict):
    """What the run may use at most."""

    max_duration: Duration = Field(
        "1h", description="Longest time from start to end, all retries; default 1h."
    )
    max_cost: float = Field(
        10.0, gt=0, description="Most the run may cost, in the environment's currency; default 10."
    )


class Retrain(Strict):
    """What each interval of the schedule does."""

    data: IntervalSource = Field(
        "latest",
        description=(
            "Which source an interval trains on: latest, the dataset's as it is then, or an address "
            "with the interval's %Y, %m, %d, %H and %M in UTC; default latest."
        ),
    )
    timezone: TimeZone = Field(
        "UTC", description="Time zone of the schedule, such as Europe/Berlin; default UTC."
    )
    promote: Slug | None = Field(
        None,
        description="Environment to which a run that passes its gates is promoted; default none.",
    )


class Experiment(Strict):
    """One model, one dataset, one set of parameters: a run that trains exactly once."""

    apiVersion: ApiVersion = Field(
        description="Version of the format, always ml-pipeline/v1; required."
    )
    kind: Literal["Experiment"] = Field(description="Always Experiment; required.")
    name: Slug = Field(description="Name of the experiment, the same as its folder's; required.")
    owner: Slug = Field(description="Team or person that answers for it; required.")
    cost_centre: Slug = Field("unassigned", description="Who pays; default unassigned.")
    environment: Slug = Field(description="Where it trains, a folder of environments/; required.")
    model: Model = Field(description="What is trained; required.")
    dataset: Dataset = Field(description="What it is trained on; required.")
    image: Digest = Field(
        description="Digest of the trainer image; required, `ml-pipeline submit` fills it in."
    )
    parameters: Parameters = Field(description="Hyperparameters; required.")
    seed: int = Field(0, ge=0, lt=2**31, description="Seed of every random choice; default 0.")
    topology: Topology = Field(Topology(), description="Processes of one run; default one.")
    resources: Resources = Field(
        Resources(), description="Requests and limits of each pod; small by default."
    )
    options: tuple[Option, ...] = Field(
        (), description="Components of base/components to switch on; default none.", strict=False
    )
    gates: Gates = Field(Gates(), description="Limits for promotion; on by default.")
    budget: Budget = Field(Budget(), description="Limits for the run; on by default.")
    schedule: Cron | None = added(
        None,
        "When it trains anew on the newest state of its source: a cron expression, or @hourly, "
        "@daily, @weekly, @monthly, @yearly; default never.",
    )
    retrain: Retrain | None = added(None, "What each interval does; default the usual.")

    @property
    def is_recurring(self) -> bool:
        """Whether it trains on one state of its source after another."""
        return self.schedule is not None or self.retrain is not None

    def source_at(self, moment: datetime) -> str:
        """Address of the source of the interval of a moment in UTC."""
        pattern = self.recurrence.data
        return self.dataset.uri if pattern == LATEST else moment.strftime(pattern)

    @property
    def recurrence(self) -> Retrain:
        """What each interval does, with the usual where nothing is said."""
        return self.retrain or Retrain()

    @model_validator(mode="after")
    def _changes(self) -> Self:
        if self.is_recurring and self.dataset.uri.startswith("bundled://"):
            key = "schedule" if self.schedule else "retrain"
            raise ValueError(
                f"{key}: has nothing to train on anew, as {self.dataset.uri} never changes; "
                "name a source that does, or remove it"
            )
        return self
