import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ml_pipeline.rules.rollout.latency import Latency

HALF_AND_HALF = Latency({1.0: 50, 2.0: 100, math.inf: 100})


@pytest.mark.parametrize(("share", "expected"), [(0.5, 1.0), (0.75, 1.5), (1.0, 2.0)])
def test_quantile_is_linear_inside_a_bucket(share, expected):
    assert HALF_AND_HALF.quantile(share) == pytest.approx(expected)


def test_no_requests_have_no_quantile():
    assert Latency().quantile(0.99) is None


@given(st.lists(st.floats(0.1, 9.9), min_size=1, max_size=50), st.floats(0.01, 1))
def test_quantile_lies_within_one_bucket_of_the_true_one(values, share):
    bounds = [float(n) for n in range(1, 11)]
    latency = Latency({b: sum(v <= b for v in values) for b in bounds})
    true = sorted(values)[max(0, -(-len(values) * share // 1).__int__() - 1)]
    assert abs(latency.quantile(share) - true) <= 1.0 + 1e-9


@pytest.mark.parametrize(("asked", "bound"), [(0.3, 1.0), (1.0, 1.0), (1.2, 2.0), (7.0, math.inf)])
def test_requests_are_counted_at_the_next_bound(asked, bound):
    assert HALF_AND_HALF.bound_above(asked) == bound


def test_slower_ones_are_those_above_a_bound():
    assert HALF_AND_HALF.slower_than(1.0) == 50
    assert HALF_AND_HALF.slower_than(math.inf) == 0


@given(
    st.dictionaries(st.sampled_from([1.0, 2.0, 3.0]), st.integers(0, 9)),
    st.dictionaries(st.sampled_from([1.0, 2.0, 3.0]), st.integers(0, 9)),
)
def test_what_was_added_can_be_taken_away(first, second):
    both = Latency(first).plus(Latency(second))
    assert {b: n for b, n in both.minus(Latency(second)).counts.items() if b in first} == first
