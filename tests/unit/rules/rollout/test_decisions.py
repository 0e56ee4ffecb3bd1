import math
import random
from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ml_pipeline.documents.promotion import Rollout
from ml_pipeline.environments.embedded.records import evidence_of
from ml_pipeline.environments.embedded.router import BUCKETS
from ml_pipeline.rules.rollout.decisions import decide
from ml_pipeline.rules.rollout.evidence import StepEvidence
from ml_pipeline.rules.rollout.latency import Latency

ROLLOUT = Rollout(
    steps=(10, 50, 100), min_requests=100, max_error_rate_increase=0.01, max_p99_increase=0.5
)


def timed(milliseconds) -> Latency:
    """Latencies as Envoy's buckets hold them."""
    bounds = [*BUCKETS, math.inf]
    counts = [0] * len(bounds)
    for value in milliseconds:
        counts[bisect_left(bounds, value)] += 1
    return Latency({b: sum(counts[: n + 1]) for n, b in enumerate(bounds)})


def predictor(
    weight: int,
    requests: int = 1000,
    errors: int = 0,
    *,
    refused: int = 0,
    milliseconds=None,
) -> StepEvidence:
    answers = [10.0] * (requests - errors) if milliseconds is None else milliseconds
    return StepEvidence("a/0123456789", weight, requests, errors, refused, timed(answers))


def decision(candidate: StepEvidence, stable: StepEvidence | None = None):
    found = decide(ROLLOUT, candidate, stable or predictor(100 - candidate.weight))
    return found.action, found.weight


@pytest.mark.parametrize(("weight", "expected"), [(10, ("advance", 50)), (50, ("finish", 100))])
def test_good_step_is_followed_by_the_next(weight, expected):
    assert decision(predictor(weight)) == expected


def test_too_few_requests_hold():
    assert decision(predictor(10, requests=99)) == ("hold", 10)


def test_silent_stable_holds():
    assert decision(predictor(10), predictor(90, requests=0)) == ("hold", 10)


def test_unknown_latency_holds():
    assert decision(predictor(10, milliseconds=[])) == ("hold", 10)
    assert decision(predictor(10), predictor(90, milliseconds=[])) == ("hold", 10)


def test_hold_says_how_far_it_is():
    found = decide(ROLLOUT, predictor(10, requests=60), predictor(90))
    assert found.reason == "60 of 100 requests answered"


# ---- errors


def test_errors_that_are_certainly_too_many_abort():
    found = decide(ROLLOUT, predictor(10, errors=50), predictor(90))
    assert (found.action, found.weight) == ("abort", 0)
    assert found.reason == "50 of 1000 requests failed, allowed are 1.0%"


def test_one_error_of_twenty_decides_nothing():
    assert decision(predictor(10, 20, 1), predictor(90, 180)) == ("hold", 10)


def test_twenty_errors_of_twenty_abort_before_there_are_enough_requests():
    assert decision(predictor(10, 20, 20), predictor(90, 180)) == ("abort", 0)


def test_all_failed_is_no_evidence_while_the_stable_was_asked_nothing():
    assert decision(predictor(10, 20, 20), predictor(90, 0)) == ("hold", 10)


def test_a_little_above_the_margin_waits_for_more_requests():
    found = decide(ROLLOUT, predictor(10, 200, 3), predictor(90))
    assert found.action == "hold"
    assert found.reason == "3 of 200 requests failed, allowed are 1.0%; more requests decide"


def test_errors_of_both_alike_do_not_abort():
    assert decision(predictor(10, errors=50), predictor(90, errors=50)) == ("advance", 50)


def test_stable_that_fails_sets_what_is_allowed():
    assert decision(predictor(10, errors=200), predictor(90, errors=50)) == ("abort", 0)


@given(st.integers(1, 2000), st.integers(0, 2000))
def test_candidate_that_answers_nothing_right_never_advances(requests, errors_of_stable):
    candidate = predictor(10, requests, requests)
    stable = predictor(90, 2000, errors_of_stable)
    assert decide(ROLLOUT, candidate, stable).action in ("hold", "abort")


def test_requests_that_only_the_candidate_refuses_abort():
    found = decide(ROLLOUT, predictor(10, 0, refused=20), predictor(90, 180))
    assert found.reason == "20 of 20 requests were refused as malformed, allowed are 1.0%"
    assert found.action == "abort"


def test_requests_that_both_refuse_count_for_neither():
    found = decide(ROLLOUT, predictor(10, 99, refused=99), predictor(90, 900, refused=900))
    assert (found.action, found.reason) == ("hold", "99 of 100 requests answered")
    assert decision(predictor(10, 100, refused=100), predictor(90, 900, refused=900))[0] == (
        "advance"
    )


# ---- latency


def lognormal(seed: int, requests: int, factor: float = 1.0) -> list[float]:
    numbers = random.Random(seed)
    return [factor * 10 * numbers.lognormvariate(0, 0.3) for _ in range(requests)]


def bimodal(seed: int, requests: int) -> list[float]:
    """One request in twenty takes ten times as long."""
    numbers = random.Random(seed)
    return [100.0 if numbers.random() < 0.05 else 10.0 for _ in range(requests)]


def by_latency(candidate: list[float], stable: list[float]) -> str:
    return decide(
        ROLLOUT,
        predictor(10, len(candidate), milliseconds=candidate),
        predictor(90, len(stable), milliseconds=stable),
    ).action


@pytest.mark.parametrize("draw", [lognormal, bimodal])
def test_as_quick_as_the_stable_is_never_aborted(draw):
    found = [by_latency(draw(seed, 500), draw(seed + 1000, 4500)) for seed in range(40)]
    assert "abort" not in found
    assert found.count("advance") >= 36


def test_twice_as_slow_is_never_passed():
    found = [by_latency(lognormal(s, 500, 2), lognormal(s + 1000, 4500)) for s in range(40)]
    assert "advance" not in found
    assert found.count("abort") >= 36


def test_a_slow_tail_is_seen_behind_a_quick_median():
    assert by_latency([10.0] * 450 + [100.0] * 50, [10.0] * 4500) == "abort"


def test_one_slow_request_of_sixty_decides_nothing():
    rollout = Rollout(min_requests=60)
    found = decide(
        rollout, predictor(10, 60, milliseconds=[10.0] * 59 + [31.0]), predictor(90, 540)
    )
    assert found.action == "hold"
    assert found.reason == (
        "1 of 60 requests took longer than 19.2 ms, allowed are 1.0%; more requests decide"
    )


def test_one_slow_request_of_a_hundred_is_what_a_p99_allows():
    assert by_latency([10.0] * 99 + [31.0], [10.0] * 900) == "advance"


def test_all_slow_aborts_before_there_are_enough_requests():
    assert by_latency([40.0] * 20, [10.0] * 180) == "abort"


def test_few_requests_of_the_stable_hold():
    assert by_latency([10.0] * 900, [10.0] * 99) == "hold"


@given(st.integers(0, 500), st.integers(0, 500), st.lists(st.floats(0.1, 100), max_size=200))
def test_no_decision_skips_a_step(requests, errors, milliseconds):
    candidate = predictor(10, max(requests, errors), errors, milliseconds=milliseconds)
    found = decide(ROLLOUT, candidate, predictor(90))
    assert (found.action, found.weight) in {("hold", 10), ("advance", 50), ("abort", 0)}


# ---- evidence


def test_evidence_holds_what_decided():
    found = decide(ROLLOUT, predictor(10, 20, milliseconds=[40.0] * 20), predictor(90, 180))
    stable, candidate = found.evidence
    assert (stable.slow, candidate.slow, candidate.timed) == (0, 20, 20)
    assert candidate.slow_above_ms == pytest.approx(19.1688)
    assert (stable.weight, candidate.weight) == (90, 10)


def test_evidence_has_no_line_where_no_latency_is_known():
    stable, _ = decide(ROLLOUT, predictor(10, milliseconds=[]), predictor(90)).evidence
    assert (stable.slow, stable.slow_above_ms) == (None, None)


def test_evidence_stays_finite_where_the_stable_is_slower_than_any_bucket():
    stable = predictor(90, 200, milliseconds=[1e6] * 200)
    assert decide(ROLLOUT, predictor(10), stable).evidence[0].slow_above_ms is None


def test_what_a_state_file_does_not_say_was_not_measured():
    row = {"run": "a/0123456789", "weight": 10, "requests": 500, "errors": 0, "p99_ms": 5.0}
    assert decide(ROLLOUT, evidence_of(row), predictor(90)).action == "hold"


def test_reason_names_no_line_where_none_can_be_passed():
    rollout = Rollout(steps=(10, 100), min_requests=100, max_p99_increase=1e6)
    found = decide(rollout, predictor(10), predictor(90))
    assert (found.action, "took longer" in found.reason) == ("finish", False)
