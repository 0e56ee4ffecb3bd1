"""Rollouts with drawn latencies and errors, judged after every thirty requests as `reconcile` does: how often each ends how."""

import math
from collections import Counter

import numpy as np
import pytest
from ml_pipeline.documents.promotion import Rollout
from ml_pipeline.environments.embedded.router import BUCKETS
from ml_pipeline.rules.rollout.decisions import decide
from ml_pipeline.rules.rollout.evidence import StepEvidence
from ml_pipeline.rules.rollout.latency import Latency

pytestmark = pytest.mark.slow
BOUNDS = np.array([*BUCKETS, math.inf])
RANDOM = np.random.default_rng(7)
LONGEST = 20  # times min_requests; a rollout that holds for that long counts as held
SHAPES = {
    "lognormal": lambda n: 10 * np.exp(RANDOM.normal(0, 0.3, n)),
    "exponential": lambda n: RANDOM.exponential(10, n),
    "one in a hundred ten times slower": lambda n: (
        10 * np.exp(RANDOM.normal(0, 0.2, n)) * np.where(RANDOM.random(n) < 0.01, 10, 1)
    ),
}


class Drawn:
    """One predictor: Envoy's whole milliseconds, and errors."""

    def __init__(self, weight: int, draw, errors: float) -> None:
        self.weight, self.draw, self.rate = weight, draw, errors
        self.requests = self.errors = 0
        self.counts = np.zeros(len(BOUNDS), int)

    def answer(self, requests: int) -> None:
        failed = RANDOM.binomial(requests, self.rate)
        self.requests, self.errors = self.requests + requests, self.errors + failed
        places = np.searchsorted(BOUNDS, np.floor(self.draw(requests - failed)))
        self.counts += np.bincount(places, minlength=len(BOUNDS)).cumsum()

    def measured(self) -> StepEvidence:
        latency = Latency(dict(zip(BOUNDS.tolist(), self.counts.tolist(), strict=True)))
        return StepEvidence("a/0123456789", self.weight, self.requests, self.errors, 0, latency)


def outcome(rollout: Rollout, candidate: Drawn, stable: Drawn) -> str:
    while candidate.requests < LONGEST * rollout.min_requests:
        share = RANDOM.binomial(30, candidate.weight / 100)
        candidate.answer(share)
        stable.answer(30 - share)
        found = decide(rollout, candidate.measured(), stable.measured())
        if found.action != "hold":
            return "abort" if found.action == "abort" else "pass"
    return "hold"


def outcomes(say, what: str, times: int, rollout: Rollout, *, slower=1.0, errors=(0.0, 0.0)):
    found: Counter[str] = Counter()
    for draw in SHAPES.values():
        for weight in (10, 50):
            for _ in range(times):
                candidate = Drawn(weight, lambda n, draw=draw: slower * draw(n), errors[0])
                found[outcome(rollout, candidate, Drawn(100 - weight, draw, errors[1]))] += 1
    shares = ", ".join(f"{found[k]} {k}" for k in ("pass", "hold", "abort"))
    say(f"min_requests {rollout.min_requests}, {what}: {shares} of {found.total()}")
    return found


@pytest.mark.parametrize("min_requests", [60, 500])
@pytest.mark.parametrize("margin", [0.5, 0.0])
def test_candidate_as_good_as_the_stable_is_not_aborted(say, min_requests, margin):
    rollout = Rollout(min_requests=min_requests, max_p99_increase=margin)
    what = f"as good, max_p99_increase {margin:g}"
    assert outcomes(say, what, 100, rollout, errors=(0.005, 0.005))["abort"] <= 3


@pytest.mark.parametrize("min_requests", [60, 500])
@pytest.mark.parametrize("slower", [2.0, 4.0])
def test_slower_candidate_is_found(say, min_requests, slower):
    found = outcomes(
        say, f"{slower:g} times as slow", 30, Rollout(min_requests=min_requests), slower=slower
    )
    assert found["abort"] > found["pass"] or min_requests == 60


@pytest.mark.parametrize("min_requests", [60, 500])
@pytest.mark.parametrize("errors", [0.05, 0.25, 1.0])
def test_failing_candidate_is_found(say, min_requests, errors):
    what = f"{errors:.0%} errors against none"
    found = outcomes(say, what, 30, Rollout(min_requests=min_requests), errors=(errors, 0.0))
    assert found["pass"] <= (18 if errors == 0.05 else 0)
