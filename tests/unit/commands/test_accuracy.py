from ml_pipeline.commands.accuracy import as_data, text
from ml_pipeline.operations.cost import Accuracy, PastEstimate


def past(runs: int = 3, p50_s: float = 90.0, p90_s: float = 100.0) -> PastEstimate:
    return PastEstimate("a/0123456789", runs, p50_s, p90_s, actual_s=60.0, p50=0.1, actual=0.2)


def test_without_estimates_there_is_no_table():
    assert text(Accuracy(())) == "0 runs had an estimate, 0 from 3 like runs or more"


def test_estimates_of_few_runs_do_not_count_for_the_median():
    accuracy = Accuracy((past(), past(runs=1, p50_s=6_000.0)))
    assert text(accuracy).endswith(
        "2 runs had an estimate, 1 from 3 like runs or more: "
        "of these the median error is 50%, and 100% took no longer than p90"
    )


def test_programs_get_the_error_of_each_run():
    (run,) = as_data(Accuracy((past(),)))["runs"]
    assert run == {
        "run": "a/0123456789",
        "from": 3,
        "p50_s": 90.0,
        "p90_s": 100.0,
        "actual_s": 60.0,
        "estimate": 0.1,
        "actual": 0.2,
        "error": 0.5,
    }
