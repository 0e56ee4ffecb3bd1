import pytest
from ml_pipeline.rules.diagnosis.logs import JobTrace, LogQuery, chosen, to_type_instead


def run(name: str, experiment: str, identity: str, begun: float) -> JobTrace:
    labels = {"ml-pipeline/experiment": experiment, "ml-pipeline/run": identity}
    return JobTrace(name, labels, begun)


DATA = JobTrace("data-1", {"ml-pipeline/data": "dddddddddd"}, 1.0)
OLD = run("a-train-1", "a", "1111111111", 2.0)
SMALL = run("a-train-2", "a", "2222222222", 3.0)
LARGE = run("a-train-0", "a", "2222222222", 4.0)
OTHER = run("b-train-3", "b", "3333333333", 5.0)
JOBS = [OTHER, LARGE, SMALL, OLD, DATA]


@pytest.mark.parametrize(
    ("name", "jobs"),
    [
        ("a-train-1", [OLD]),
        ("a/1111111111", [OLD]),
        ("1111111111", [OLD]),
        ("a/2222222222", [SMALL, LARGE]),
        ("a", [SMALL, LARGE]),
        ("b", [OTHER]),
        ("data-1", [DATA]),
        ("dddddddddd", [DATA]),
        ("c", []),
        ("", []),
    ],
)
def test_name_means_its_jobs_oldest_first(name, jobs):
    assert chosen(JOBS, LogQuery(name)) == jobs


def test_experiment_stands_for_its_data_while_that_is_prepared():
    assert chosen(JOBS, LogQuery("new", data="dddddddddd")) == [DATA]
    assert LogQuery("new", data="dddddddddd").prepares([DATA])


def test_experiment_stands_for_its_run_once_there_is_one():
    assert chosen(JOBS, LogQuery("b", data="dddddddddd")) == [OTHER]
    assert not LogQuery("b", data="dddddddddd").prepares([OTHER])


def test_data_of_a_changed_experiment_is_newer_than_its_old_run():
    again = JobTrace("data-2", {"ml-pipeline/data": "eeeeeeeeee"}, 9.0)
    assert chosen([*JOBS, again], LogQuery("a", data="eeeeeeeeee")) == [again]


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("b/333333333", "did you mean b/3333333333?"),
        ("xyz", "known are a, a/1111111111, a/2222222222, b, b/3333333333, mlflow"),
    ],
)
def test_names_that_people_type_are_offered_instead(name, instead):
    assert to_type_instead(LogQuery(name), JOBS, ["mlflow"]) == instead


def test_many_names_are_counted():
    jobs = [run(f"j{n}", f"e{n:02d}", f"{n:010d}", n) for n in range(20)]
    assert to_type_instead(LogQuery("xyz"), jobs).endswith("e05/0000000005 and 28 more")


def test_nothing_has_a_log_yet():
    assert to_type_instead(LogQuery("a"), []) == "known are none yet"
