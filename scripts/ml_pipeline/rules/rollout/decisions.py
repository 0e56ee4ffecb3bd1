"""Whether a rollout takes its next step: one pure function of what was measured.

Three shares of the candidate's requests are each held against what the stable's show: failed, refused, slow. A share
that is certainly above what is allowed aborts, at any number of requests. A step is passed when enough requests were
answered and no share is above what is allowed. In between more requests decide.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Literal

from ml_pipeline.documents.promotion import Rollout
from ml_pipeline.documents.receipts import PredictorEvidence
from ml_pipeline.rules.rollout.exceeds import chance
from ml_pipeline.rules.rollout.latency import Latency

# A p99 is a limit that one request in a hundred may pass.
TAIL = 0.01
# Chance at which a difference counts as certain. A rollout is judged many times, every half second: at one in ten
# thousand a single look, hardly any candidate as good as its stable is aborted (decision 0015 has the figures).
CERTAIN = 1e-4
# Of fewer requests the p99 is about their maximum.
LEAST_STABLE = 100


@dataclass(frozen=True)
class Measured:
    """Requests of one predictor since the step began. `refused` were the client's fault and are not in `requests`;
    `latency` is of those answered right, without the first of a new server."""

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
class Decision:
    """What to do, the candidate's new weight in percent, why, and on what evidence: the stable's, then the candidate's."""

    action: Literal["hold", "advance", "finish", "abort"]
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


def measured(row: Mapping[str, Any]) -> Measured:
    """What an environment's state says of one predictor; what it does not say has not been measured."""
    latency = {float(bound): count for bound, count in row.get("latency", {}).items()}
    return Measured(
        run=row["run"],
        weight=row["weight"],
        requests=row["requests"],
        errors=row["errors"],
        refused=row.get("refused", 0),
        latency=Latency(latency),
    )


def decide(rollout: Rollout, candidate: Measured, stable: Measured) -> Decision:
    """Judge the current step by the requests since it began.

    Missing numbers hold the rollout; they neither advance nor abort it.
    """
    slow_above = _slow_above(rollout, candidate, stable)
    shares = list(_shares(rollout, candidate, stable, slow_above))
    evidence = (_evidence(stable, slow_above), _evidence(candidate, slow_above))

    def decision(
        action: Literal["hold", "advance", "finish", "abort"], weight: int, reason: str
    ) -> Decision:
        return Decision(action, weight, reason, evidence)

    for share in shares:
        if share.is_certainly_above:
            return decision("abort", 0, str(share))
    weight = candidate.weight
    if candidate.counted < rollout.min_requests:
        return decision(
            "hold", weight, f"{candidate.counted} of {rollout.min_requests} requests answered"
        )
    least = min(LEAST_STABLE, rollout.min_requests)
    if stable.counted < least:
        return decision(
            "hold", weight, f"{stable.counted} of {least} requests answered by the stable"
        )
    for share in shares:
        if share.is_above:
            return decision("hold", weight, f"{share}; more requests decide")
    following = next(step for step in rollout.steps if step > weight)
    return decision(
        "finish" if following == 100 else "advance", following, _summary(candidate, shares)
    )


def _slow_above(rollout: Rollout, candidate: Measured, stable: Measured) -> float | None:
    """Milliseconds above which a request counts as slow, None while there are no latencies to say."""
    p99 = stable.latency.quantile(1 - TAIL)
    if p99 is None or not candidate.latency.total:
        return None
    return stable.latency.bound_above(p99 * (1 + rollout.max_p99_increase))


def _shares(
    rollout: Rollout, candidate: Measured, stable: Measured, slow_above: float | None
) -> Iterator[Share]:
    margin = rollout.max_error_rate_increase
    yield Share(
        "failed",
        candidate.errors,
        candidate.requests,
        _rate(stable.errors, stable.requests) + margin,
        stable.requests,
    )
    received, received_by_stable = (p.requests + p.refused for p in (candidate, stable))
    yield Share(
        "were refused as malformed",
        candidate.refused,
        received,
        _rate(stable.refused, received_by_stable) + margin,
        received_by_stable,
    )
    if slow_above is not None and slow_above < inf:  # beyond the last bound nothing is counted
        yield Share(
            f"took longer than {slow_above:.1f} ms",
            candidate.latency.slower_than(slow_above),
            candidate.latency.total,
            TAIL,
            stable.latency.total,
        )


def _evidence(predictor: Measured, slow_above: float | None) -> PredictorEvidence:
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


def _summary(candidate: Measured, shares: list[Share]) -> str:
    return f"{candidate.counted} requests answered; " + "; ".join(str(share) for share in shares)


def _rate(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
