"""What an environment shows of a served model: what is routed, and what each step has shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ml_pipeline.rules.rollout.latency import Latency


@dataclass(frozen=True)
class StepEvidence:
    """Requests of one predictor since the step began, and its weight in percent.

    `refused` were the client's fault and are not in `requests`; `latency` is of those answered
    right, without the first of a new server.
    """

    run: str
    weight: int
    requests: int
    errors: int
    refused: int
    latency: Latency

    @property
    def counted(self) -> int:
        """Requests that speak for the predictor: answered right, and timed."""
        return min(self.requests - self.errors, self.latency.total)


@dataclass(frozen=True)
class PredictorStatus:
    """One predictor that is declared: its weight in percent, and why it is not ready."""

    name: str
    run: str
    weight: int
    ready: bool
    message: str


@dataclass(frozen=True)
class ServingStatus:
    """What serves a model. `routed` are the weights by run that callers get at the moment.

    `evidence` is of the declared step, empty before its weights were first routed; `fault` says
    why it cannot be read.
    """

    rollout: str
    model: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    state: str = ""
    url: str = ""
    predictors: tuple[PredictorStatus, ...] = ()
    routed: Mapping[str, int] = field(default_factory=dict)
    evidence: tuple[StepEvidence, ...] = ()
    fault: str = ""

    def evidence_by_run(self) -> dict[str, StepEvidence]:
        """What was measured of each predictor, by its run.

        Raises:
            LookupError: it cannot be read.
        """
        if self.fault:
            raise LookupError(self.fault)
        return {evidence.run: evidence for evidence in self.evidence}
