"""What a person writes to serve a run: `environments/<env>/promotions/<model>.yaml`."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ml_pipeline.documents.fields import ApiVersion, Cpu, Memory, RunReference, Slug, Strict

Percent = Annotated[int, Field(ge=1, le=100)]


class Resources(Strict):
    """What each predictor asks for and is limited to."""

    cpu: Cpu = Field("1", description="Cores of one predictor; default 1.")
    memory: Memory = Field("2Gi", description="Memory limit of one predictor; default 2Gi.")


class Rollout(Strict):
    """How the traffic of the run grows, and what each step must show first."""

    steps: tuple[Percent, ...] = Field(
        (10, 50, 100),
        min_length=1,
        description="Percent of traffic, rising, the last 100; default 10, 50, 100.",
        strict=False,
    )
    min_requests: int = Field(
        500,
        ge=1,
        description="Requests that the candidate must have answered in a step; default 500.",
    )
    max_error_rate_increase: float = Field(
        0.01,
        ge=0,
        le=1,
        description="How much the share of failed requests may exceed the stable's; default 0.01.",
    )
    max_p99_increase: float = Field(
        0.5,
        ge=0,
        description="How much p99 latency may exceed the stable's, as a share of it; default 0.5.",
    )

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if list(self.steps) != sorted(set(self.steps)):
            raise ValueError(f"steps: {list(self.steps)} must rise from step to step; sort them")
        if self.steps[-1] != 100:
            raise ValueError(
                f"steps: {list(self.steps)} must end with 100; weights always sum to 100"
            )
        return self


class Promotion(Strict):
    """Which run shall serve a model in an environment, and what served before."""

    apiVersion: ApiVersion = Field(
        description="Version of the format, always ml-pipeline/v1; required."
    )
    kind: Literal["Promotion"] = Field(description="Always Promotion; required.")
    model: Slug = Field(description="The model, the same as the file's name; required.")
    run: RunReference = Field(description="Receipt that shall serve, as experiment/id; required.")
    baseline: RunReference | None = Field(
        None,
        description=(
            "Receipt that serves now and keeps the rest of the traffic; "
            "default none, for a first promotion."
        ),
    )
    attempt: int = Field(
        1,
        ge=1,
        description="Which try this is of the same run and steps; `promote` counts; default 1.",
    )
    accept_signature_change: bool = Field(
        default=False,
        description=(
            "Whether the run may take or give other tensors than the baseline; default false."
        ),
    )
    rollout: Rollout = Field(Rollout(), description="Steps and their conditions; has defaults.")
    resources: Resources = Field(
        Resources(), description="Requests and limits of each predictor; has defaults."
    )
