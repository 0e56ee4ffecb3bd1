"""Whether a rollout takes its next step: one pure function of what was measured.

Three shares of the candidate's requests are each held against what the stable's show: failed,
refused, slow. A share that is certainly above what is allowed aborts, at any number of requests. A
step is passed when enough requests were answered and no share is above what is allowed. In between
more requests decide.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import Literal

from ml_pipeline.documents.promotion import Rollout
from ml_pipeline.documents.receipts import PredictorEvidence
from ml_pipeline.rules.rollout.evidence import StepEvidence
from ml_pipeline.rules.rollout.exceeds import chance

Action = Literal["hold", "advance", "finish", "abort"]

# A p99 is a limit that one request in a hundred may pass.
TAIL = 0.01
# Chance at which a difference counts as certain. A rollout is judged many times, every half second:
# at one in ten thousand a single look, hardly any candidate as good as its stable is aborted
# (decision 0015 has the figures).
CERTAIN = 1e-4
# Of fewer requests the p99 is about their maximum.
LEAST_STABLE = 100


@dataclass(frozen=True)
class Decision:
    """What to do, the candidate's new weight in percent, and why.

    The evidence is the stable's, then the candidate's.
    """

    action: Action
    weight: int
    reason: str
    evidence: tuple[PredictorEvidence, PredictorEvidence]


@dataclass(frozen=True)
class Share:
    """How many of the candidate's requests were bad in one way, against the share that may be."""

    what: str
    bad: int
    of: int
    allowed: float
    known_from: int

    @property
    def is_above(self) -> bool:
        """Whether more are bad than may be."""
        return self.bad > self.allowed * self.of + 1e-9  # a rate plus a margin is not exact

    @property
    def is_certainly_above(self) -> bool:
        """Whether that is no chance."""
        likely = chance(self.bad, self.of, allowed=self.allowed, known_from=self.known_from)
        return self.is_above and likely < CERTAIN

    def __str__(self) -> str:
        """The share in words, as the reason of a decision."""
        return f"{self.bad} of {self.of} requests {self.what}, allowed are {self.allowed:.1%}"


def decide(rollout: Rollout, candidate: StepEvidence, stable: StepEvidence) -> Decision:
    """Judge the current step by the requests since it began.

    Missing numbers hold the rollout; they neither advance nor abort it.
    """
    slow_above = _slow_above(rollout, candidate, stable)
    shares = list(_shares(rollout, candidate, stable, slow_above))
    action, weight, reason = _judge(rollout, candidate, stable, shares)
    evidence = (_evidence(stable, slow_above), _evidence(candidate, slow_above))
    return Decision(action, weight, reason, evidence)


def _judge(
    rollout: Rollout, candidate: StepEvidence, stable: StepEvidence, shares: list[Share]
) -> tuple[Action, int, str]:
    """What to do, the new weight, and why."""
    # What is certain comes first: a candidate that only fails never answers enough requests.
    for share in shares:
        if share.is_certainly_above:
            return "abort", 0, str(share)
    weight, wanted = candidate.weight, rollout.min_requests
    if candidate.counted < wanted:
        return "hold", weight, f"{candidate.counted} of {wanted} requests answered"
    least = min(LEAST_STABLE, wanted)
    if stable.counted < least:
        text = f"{stable.counted} of {least} requests answered by the stable"
        return "hold", weight, text
    for share in shares:
        if share.is_above:
            return "hold", weight, f"{share}; more requests decide"
    following = next(step for step in rollout.steps if step > weight)
    action: Action = "finish" if following == 100 else "advance"
    return action, following, _summary(candidate, shares)


def _slow_above(rollout: Rollout, candidate: StepEvidence, stable: StepEvidence) -> float | None:
    """Milliseconds above which a request counts as slow, None while there are no latencies."""
    # Of the stable in this very step: both are held to the same minutes and the same machine.
    p99 = stable.latency.quantile(1 - TAIL)
    if p99 is None or not candidate.latency.total:
        return None
    return stable.latency.bound_above(p99 * (1 + rollout.max_p99_increase))


def _shares(
    rollout: Rollout, candidate: StepEvidence, stable: StepEvidence, slow_above: float | None
) -> Iterator[Share]:
    margin = rollout.max_error_rate_increase
    yield Share(
        "failed",
        candidate.errors,
        candidate.requests,
        _rate(stable.errors, stable.requests) + margin,
        stable.requests,
    )
    received = candidate.requests + candidate.refused
    received_by_stable = stable.requests + stable.refused
    yield Share(
        "were refused as malformed",
        candidate.refused,
        received,
        _rate(stable.refused, received_by_stable) + margin,
        received_by_stable,
    )
    # Beyond the last bound nothing is counted: there is no line to hold anybody against.
    if slow_above is not None and slow_above < inf:
        yield Share(
            f"took longer than {slow_above:.1f} ms",
            candidate.latency.slower_than(slow_above),
            candidate.latency.total,
            TAIL,
            stable.latency.total,
        )


def _evidence(predictor: StepEvidence, slow_above: float | None) -> PredictorEvidence:
    latency = predictor.latency
    return PredictorEvidence(
        run=predictor.run,
        weight=predictor.weight,
        requests=predictor.requests,
        errors=predictor.errors,
        refused=predictor.refused,
        timed=latency.total,
        slow=None if slow_above is None else latency.slower_than(slow_above),
        slow_above_ms=None if slow_above == inf else slow_above,
        p99_ms=latency.quantile(1 - TAIL),
    )


def _summary(candidate: StepEvidence, shares: list[Share]) -> str:
    return f"{candidate.counted} requests answered; " + "; ".join(str(share) for share in shares)


def _rate(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
