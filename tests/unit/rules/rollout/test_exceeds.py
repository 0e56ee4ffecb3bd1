from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ml_pipeline.rules.rollout.exceeds import chance


@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_it_is_the_tail_of_the_hypergeometric_distribution(of, known_from, data):
    bad = data.draw(st.integers(0, of))
    others = data.draw(st.integers(0, known_from))
    ways = sum(
        comb(bad + others, k) * comb(of + known_from - bad - others, of - k)
        for k in range(bad, min(of, bad + others) + 1)
    )
    exact = ways / comb(of + known_from, of)
    found = chance(bad, of, allowed=others / known_from, known_from=known_from)
    assert found == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize(("bad", "certain"), [(1, False), (2, False), (6, True), (20, True)])
def test_one_of_twenty_is_chance_and_all_of_them_are_not(bad, certain):
    assert (chance(bad, 20, allowed=0.01, known_from=180) < 1e-4) == certain


def test_without_anything_to_compare_with_nothing_is_unlikely():
    assert chance(20, 20, allowed=0.01, known_from=0) == 1.0
    assert chance(0, 0, allowed=0.01, known_from=100) == 1.0


def test_more_that_is_known_makes_the_same_difference_surer():
    few, many = (chance(5, 20, allowed=0.05, known_from=n) for n in (20, 2000))
    assert many < few


def test_large_counts_stay_exact_and_quick():
    assert chance(20_000, 1_000_000, allowed=0.01, known_from=1_000_000) < 1e-12
    assert chance(10_000, 1_000_000, allowed=0.01, known_from=1_000_000) > 0.4
