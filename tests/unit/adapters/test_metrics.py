import pytest
from ml_pipeline.adapters.metrics import Counters, parse, scrape
from ml_pipeline.documents.faults import UnavailableError
from ml_pipeline.rules.rollout.latency import Latency

PAGE = """
# TYPE envoy_http_downstream_rq_completed counter
envoy_http_downstream_rq_completed{envoy_http_conn_manager_prefix="ingress"} 104
# TYPE envoy_answers_requests counter
envoy_answers_requests{predictor="digits-run-a",code="200",flags="-"} 90
envoy_answers_requests{predictor="digits-run-a",code="500",flags="-"} 3
envoy_answers_requests{predictor="digits-run-a",code="503",flags="URX,UF"} 2
envoy_answers_requests{predictor="digits-run-a",code="200",flags="UPE"} 1
envoy_answers_requests{predictor="digits-run-a",code="400",flags="-"} 4
envoy_answers_requests{predictor="-",code="404",flags="-"} 4
envoy_answers_milliseconds_bucket{predictor="digits-run-a",le="1"} 50
envoy_answers_milliseconds_bucket{predictor="digits-run-a",le="+Inf"} 91
envoy_answers_milliseconds_sum{predictor="digits-run-a"} 130.5
"""


def test_page_is_read_by_predictor():
    counters = parse(PAGE)["digits-run-a"]
    assert (counters.answered, counters.failed, counters.refused) == (90, 6, 4)
    assert counters.latency.counts == {1.0: 50, float("inf"): 91}


@pytest.mark.parametrize(
    ("code", "flags", "expected"),
    [
        ("200", "-", "answered"),
        ("304", "-", "answered"),
        ("400", "-", "refused"),
        ("422", "-", "refused"),
        ("404", "-", "failed"),
        ("429", "-", "failed"),
        ("500", "-", "failed"),
        ("504", "UT", "failed"),
        ("200", "UPE", "failed"),
        ("0", "DC", "failed"),
        ("-", "-", "failed"),
    ],
)
def test_status_and_flags_say_what_the_caller_got(code, flags, expected):
    page = PAGE.replace('code="400",flags="-"} 4', f'code="{code}",flags="{flags}"}} 1000')
    assert getattr(parse(page)["digits-run-a"], expected) >= 1000


@pytest.mark.parametrize(
    ("lost", "named"),
    [
        ("envoy_http_downstream_rq_completed", "http_downstream_rq_completed"),
        ("envoy_answers_requests", "requests by status"),
        ("flags=", "the label flags"),
        ("code=", "the label code"),
    ],
)
def test_what_the_page_lacks_is_unavailable_not_zero(lost, named):
    with pytest.raises(UnavailableError, match=f"lack {named}"):
        parse(PAGE.replace(lost, "renamed="))


def test_proxy_that_was_asked_nothing_has_counted_nothing():
    page = 'envoy_http_downstream_rq_completed{envoy_http_conn_manager_prefix="ingress"} 0'
    assert parse(page) == {}


def test_a_window_counts_what_came_after_it():
    start = Counters(4, 1, 0, Latency({1.0: 4}))
    counted = Counters(10, 2, 3, Latency({1.0: 10})).since(start)
    assert counted == Counters(6, 1, 3, Latency({1.0: 6}))


@pytest.mark.parametrize(
    "now", [Counters(3, 1), Counters(12, 0), Counters(12, 1, 0, Latency({1.0: 2}))]
)
def test_counter_that_fell_shows_a_restarted_proxy(now):
    assert now.since(Counters(10, 1, 0, Latency({1.0: 10}))) == now


def test_counts_of_several_looks_add_up():
    assert Counters(1, 2, 3).plus(Counters(10, 20, 30)) == Counters(11, 22, 33)


def test_silent_proxy_is_unavailable_not_zero(tmp_path):
    with pytest.raises(UnavailableError, match="does not answer"):
        scrape(tmp_path / "admin.sock")


@pytest.mark.parametrize(
    "line",
    [
        'envoy_answers_milliseconds_bucket{predictor="a",le="soon"} 1',
        'envoy_answers_requests{predictor="a",flags="-"} 1',
    ],
)
def test_a_label_that_is_none_is_unavailable(line):
    with pytest.raises(UnavailableError):
        parse(f"{PAGE}{line}\n")


def test_a_status_that_only_looks_like_a_number_is_a_failure():
    page = PAGE + 'envoy_answers_requests{predictor="a",code="²²²",flags="-"} 3\n'
    assert parse(page)["a"].failed == 3


def test_a_count_with_more_digits_than_any_counter_is_passed_over():
    page = f'{PAGE}envoy_answers_requests{{predictor="a",code="200",flags="-"}} {"9" * 5000}\n'
    assert "a" not in parse(page)
