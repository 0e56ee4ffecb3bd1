import pytest
from hypothesis import given
from hypothesis import strategies as st
from ml_pipeline.documents.promotion import Rollout
from ml_pipeline.documents.receipts import PredictorEvidence
from ml_pipeline.rules.rollout import decide

ROLLOUT = Rollout(
    steps=(10, 50, 100), min_requests=100, max_error_rate_increase=0.01, max_p99_increase=0.5
)


def predictor(
    weight: int, requests: int = 1000, errors: int = 0, p99_ms: float | None = 10.0
) -> PredictorEvidence:
    return PredictorEvidence(
        run="a/0123456789", weight=weight, requests=requests, errors=errors, p99_ms=p99_ms
    )


def decision(candidate: PredictorEvidence, stable: PredictorEvidence | None = None):
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
    assert decision(predictor(10, p99_ms=None)) == ("hold", 10)


def test_more_errors_than_the_margin_abort():
    assert decision(predictor(10, errors=11)) == ("abort", 0)


def test_errors_of_both_alike_do_not_abort():
    assert decision(predictor(10, errors=50), predictor(90, errors=50)) == ("advance", 50)


def test_slower_than_the_margin_aborts():
    assert decision(predictor(10, p99_ms=15.1)) == ("abort", 0)


@given(st.integers(0, 500), st.integers(0, 500), st.one_of(st.none(), st.floats(0.1, 100)))
def test_no_decision_skips_a_step(requests, errors, p99):
    found = decide(ROLLOUT, predictor(10, max(requests, errors), errors, p99), predictor(90))
    assert (found.action, found.weight) in {("hold", 10), ("advance", 50), ("abort", 0)}
