import pytest
from hypothesis import given
from hypothesis import strategies as st
from ml_pipeline.adapters.metrics import Counters, parse, scrape
from ml_pipeline.documents.faults import UnavailableError

PAGE = """
# TYPE envoy_cluster_upstream_rq_completed counter
envoy_cluster_upstream_rq_completed{envoy_cluster_name="digits-run-a"} 100
envoy_cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="digits-run-a"} 97
envoy_cluster_upstream_rq_xx{envoy_response_code_class="5",envoy_cluster_name="digits-run-a"} 3
envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="digits-run-a",le="1"} 50
envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="digits-run-a",le="2"} 100
envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="digits-run-a",le="+Inf"} 100
"""


def test_page_is_read_by_cluster():
    counters = parse(PAGE)["digits-run-a"]
    assert (counters.requests, counters.errors, counters.buckets[2.0]) == (100, 3, 100)


@pytest.mark.parametrize(("share", "expected"), [(0.5, 1.0), (0.75, 1.5), (1.0, 2.0)])
def test_quantile_is_linear_inside_a_bucket(share, expected):
    assert parse(PAGE)["digits-run-a"].quantile(share) == pytest.approx(expected)


def test_no_requests_have_no_quantile():
    assert Counters().quantile(0.99) is None


def test_a_window_counts_what_came_after_it():
    counted = Counters(10, 2, {1.0: 10}).since(Counters(4, 1, {1.0: 4}))
    assert (counted.requests, counted.errors, counted.buckets) == (6, 1, {1.0: 6})


def test_restarted_proxy_starts_the_window_anew():
    assert Counters(3, 0, {}).since(Counters(10, 0, {})).requests == 3


def test_silent_proxy_is_unavailable_not_zero():
    with pytest.raises(UnavailableError, match="does not answer"):
        scrape("http://127.0.0.1:9")


@given(st.lists(st.floats(0.1, 9.9), min_size=1, max_size=50), st.floats(0.01, 1))
def test_quantile_lies_within_one_bucket_of_the_true_one(values, share):
    bounds = [float(n) for n in range(1, 11)]
    counters = Counters(len(values), 0, {b: sum(v <= b for v in values) for b in bounds})
    true = sorted(values)[max(0, -(-len(values) * share // 1).__int__() - 1)]
    assert abs(counters.quantile(share) - true) <= 1.0 + 1e-9
