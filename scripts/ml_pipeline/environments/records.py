"""What crosses from an environment to operations, whichever of them it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ml_pipeline.adapters.mlflow.server import NOBODY, Login
from ml_pipeline.rules.automation.observed import Hold
from ml_pipeline.rules.rollout.evidence import PredictorStatus, ServingStatus

Traffic = Mapping[str, ServingStatus]
"""What serves and was measured, by model: as `Observed.serving`."""


@dataclass(frozen=True)
class Held:
    """Something that is left alone, why, and since when."""

    what: str
    """A path on the branch, a service, or a Job."""
    reason: str
    """One line with the way out."""
    since: str
    """To the minute in UTC, or the commit of a file."""

    def __str__(self) -> str:
        """One line."""
        return f"held since {self.since}: {self.reason}"


@dataclass(frozen=True)
class JobStatus:
    """A Job as people see it."""

    name: str
    labels: Mapping[str, str]
    phase: str
    """Pending, Running, Suspended, Stopped, Deleting, Complete or Failed."""
    attempt: int
    """Tries that were started; 0 while it waits."""
    seconds: float
    """From its start to its end, or to now; 0 where that is not known."""
    message: str
    """What it waits for or why it failed, with the repair; empty where nothing is to be said."""


@dataclass(frozen=True)
class ModelStatus:
    """A model as people see it; None is what its kind of environment does not tell."""

    model: str
    labels: Mapping[str, str]
    rollout: str | None
    """Target of its promotion, embedded alone."""
    state: str
    """As Seldon says it, such as Available or Creating; Down while nothing of it answers."""
    url: str
    predictors: tuple[PredictorStatus, ...]
    routed: Mapping[str, int] | None = None
    """Percent of the traffic by run as it is routed now, embedded alone."""
    evidence: Sequence[Mapping[str, Any]] | None = None
    """What was measured of each predictor in this step, as the state has it; embedded alone."""
    message: str | None = None
    """What the operator says of it, on a cluster alone."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One look at an environment for people."""

    jobs: tuple[JobStatus, ...]
    models: tuple[ModelStatus, ...]
    traffic: Traffic | None
    """Of all models, also those that a selector leaves out; None while the environment is down."""
    held: tuple[Hold, ...] = ()
    """Results that are not taken, and services that do not answer."""


@dataclass(frozen=True)
class SeenRevision:
    """Which revision an embedded environment has applied last, and which it has looked at."""

    applied: str | None = None
    seen: str | None = None
    at: float | None = None
    """Seconds since the epoch."""
    seconds: float | None = None
    """How long it took."""
    error: str | None = None
    """Why `seen` is not applied; empty where it is."""


@dataclass(frozen=True, kw_only=True)
class EmbeddedShown(Shown):
    """What an embedded environment shows."""

    up: bool
    revision: SeenRevision
    missing: tuple[str, ...]
    """What receipts name and this machine does not have, one line each with the repair."""


@dataclass(frozen=True, kw_only=True)
class ClusterShown(Shown):
    """What a cluster shows."""

    applied: Mapping[str, str]
    """Revision that Flux has applied of each part; empty where it has applied none."""
    findings: tuple[str, ...]
    """What keeps something from going on, one line each with the repair."""


@dataclass(frozen=True)
class LocalGit:
    """Bare repositories on this machine."""

    origin: Path
    """The git server whose branch the environment follows."""
    automation: Path
    """The repository in which automation makes its commits."""


@dataclass(frozen=True)
class MlflowAddress:
    """Where an environment's MLflow is from here, and how this process logs in to it."""

    uri: str
    login: Login = field(default=NOBODY, repr=False)
