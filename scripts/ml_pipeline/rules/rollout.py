"""Whether a rollout takes its next step: one pure function of what was measured."""

from dataclasses import dataclass
from typing import Literal

from ml_pipeline.documents.promotion import Rollout
from ml_pipeline.documents.receipts import PredictorEvidence


@dataclass(frozen=True)
class Decision:
    """What to do, the candidate's new weight in percent, and why."""

    action: Literal["hold", "advance", "finish", "abort"]
    weight: int
    reason: str


def decide(rollout: Rollout, candidate: PredictorEvidence, stable: PredictorEvidence) -> Decision:
    """Judge the current step by the requests answered since it began.

    Missing numbers hold the rollout; they neither advance nor abort it.
    """
    weight = candidate.weight
    excess = _error_rate(candidate) - _error_rate(stable)
    if candidate.requests < rollout.min_requests:
        return Decision(
            "hold", weight, f"{candidate.requests} of {rollout.min_requests} requests answered"
        )
    if stable.requests == 0:
        return Decision("hold", weight, "the stable predictor answered no request to compare with")
    if excess > rollout.max_error_rate_increase:
        return Decision(
            "abort",
            0,
            f"error rate {excess:+.4f} against the stable, at most {rollout.max_error_rate_increase:+.4f}",
        )
    if candidate.p99_ms is None or stable.p99_ms is None:
        return Decision("hold", weight, "p99 latency is not known")
    limit = stable.p99_ms * (1 + rollout.max_p99_increase)
    if candidate.p99_ms > limit:
        return Decision("abort", 0, f"p99 {candidate.p99_ms:.1f} ms, at most {limit:.1f} ms")
    following = next(step for step in rollout.steps if step > weight)
    reason = f"{candidate.requests} requests, error rate {excess:+.4f}, p99 {candidate.p99_ms:.1f} ms of at most {limit:.1f} ms"
    return Decision("finish" if following == 100 else "advance", following, reason)


def _error_rate(evidence: PredictorEvidence) -> float:
    return evidence.errors / evidence.requests if evidence.requests else 0.0
