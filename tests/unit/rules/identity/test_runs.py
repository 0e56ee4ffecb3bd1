import math

import pytest
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.identity.runs import (
    RunRecord,
    Wanted,
    find_run,
    list_runs,
    matching_runs,
    ordered,
)

GOOD, BETTER, WEAK = "good/31a4e76e1a", "better/c39d9a14b0", "weak/e96261b1e3"
BROKEN, WAITING = "broken/970e519fc8", "waiting/ddd4bf48a3"
NEW_YEAR = 1767225600.0  # when the fixtures' runs started, 2026-01-01T00:00:00Z


def listed(snapshot, **wanted):
    return list_runs(snapshot, Wanted(**wanted), NEW_YEAR + 3600)


def names(snapshot, **wanted) -> list[str]:
    return [record.run for record in listed(snapshot, **wanted).records]


def test_every_receipt_and_every_awaited_run_is_listed(snapshot):
    assert names(snapshot)[0] == WAITING, "what is awaited is the newest"
    assert set(names(snapshot)) == {GOOD, BETTER, WEAK, BROKEN, WAITING}


def test_record_holds_whole_values_with_their_types(snapshot):
    (record,) = listed(snapshot, experiment="good").records
    assert record == RunRecord(
        run=GOOD,
        experiment="good",
        model="digits",
        environment="local",
        owner=snapshot.experiments["good"].owner,
        outcome="succeeded",
        metrics={"gate_accuracy": 0.98, "gate_latency_p99_ms": 0.1, "gate_memory_mb": 480.0},
        gates={"quality": True, "latency": True, "memory": True, "signature": True},
        started="2026-01-01T00:00:00Z",
        age_s=3540.0,
        duration_s=60.0,
        cost=0.000667,
        currency="USD",
    )


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"experiment": "*e*er"}, [BETTER]),
        ({"outcome": "failed"}, [BROKEN]),
        ({"model": "letters"}, []),
        ({"owner": "nobody"}, []),
    ],
)
def test_filters_leave_out_the_others(snapshot, wanted, found):
    assert names(snapshot, **wanted) == found


def test_old_runs_are_left_out_and_those_of_unknown_age_are_not(snapshot, files):
    old = names(snapshot, since_s=60.0)
    assert GOOD not in old
    assert any(name.startswith("waiting") for name in old)
    path = f"experiments/{GOOD.replace('/', '/runs/')}.yaml"
    changed = files[path].replace(b"started: '2026-01-01T00:00:00Z'\n", b"")
    assert GOOD in names(Snapshot({**files, path: changed}), since_s=60.0)


def test_document_that_cannot_be_read_takes_nothing_from_the_others(snapshot, files):
    path = f"experiments/{GOOD.replace('/', '/runs/')}.yaml"
    found = listed(
        Snapshot({**files, path: b"kind: 5\n", "experiments/weak/experiment.yaml": b"["})
    )
    runs = [record.run for record in found.records]
    assert GOOD not in runs
    assert {BETTER, WEAK} <= set(runs)
    assert found.problems[0].startswith(f"{path}:1")
    assert any(line.startswith("experiments/weak/experiment.yaml:") for line in found.problems)
    assert next(record for record in found.records if record.run == WEAK).owner is None


def test_receipt_whose_experiment_is_gone_has_no_owner(files):
    del files["experiments/good/experiment.yaml"]
    (record,) = listed(Snapshot(files), experiment="good").records
    assert (record.run, record.owner) == (GOOD, None)


def test_experiment_whose_data_could_not_be_prepared_has_failed(files):
    text = files["experiments/better/data/216b187a78.yaml"].decode()
    head = text.partition("data:\n")[0]
    files["experiments/better/data/216b187a78.yaml"] = (
        head + "data: null\nreason: exit code 42\n"
    ).encode()
    failed = [r for r in listed(Snapshot(files), outcome="failed").records if r.run != BROKEN]
    assert failed
    assert {r.reason for r in failed} == {"its data could not be prepared: exit code 42"}


def record(run: str, **about) -> RunRecord:
    return RunRecord(
        **{
            "run": run,
            "experiment": run,
            "model": "m",
            "environment": "local",
            "owner": None,
            "outcome": "succeeded",
            **about,
        }
    )


ROWS = [
    record("a", age_s=9.0, cost=1.0, metrics={"accuracy": 0.5, "loss": 0.1}),
    record("b", age_s=5.0, duration_s=7.0, metrics={"accuracy": math.nan}),
    record("c", cost=2.0, metrics={"accuracy": 0.9}),
    record("d", outcome="pending"),
]


@pytest.mark.parametrize(
    ("by", "reverse", "order"),
    [
        ("age", False, "dbac"),
        ("age", True, "abcd"),
        ("cost", False, "cabd"),
        ("cost", True, "acbd"),
        ("accuracy", False, "cabd"),
        ("accuracy", True, "acbd"),
        ("duration", False, "bacd"),
    ],
)
def test_order_is_by_one_value_and_what_has_none_stands_last(by, reverse, order):
    assert "".join(row.run for row in ordered(ROWS, by, reverse=reverse)) == order


def test_metric_that_no_run_has_names_those_there_are():
    with pytest.raises(
        PipelineError,
        match="no run has the metric 'acuracy'; sort by one of age, cost, duration, accuracy, loss",
    ):
        ordered(ROWS, "acuracy")


def test_nothing_to_sort_is_no_mistake():
    assert ordered([], "accuracy") == []


def references(snapshot, *patterns) -> list[str]:
    return [f"{run.experiment}/{run.id}" for run in matching_runs(snapshot, patterns)]


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        ([GOOD], [GOOD]),
        (["good"], [GOOD]),
        (["*e*er", "good"], [BETTER, GOOD]),
        (["[bg]*"], [BETTER, BROKEN, GOOD]),
        (["good/*", "*/31a4*"], [GOOD]),
        (["broken"], [BROKEN]),
    ],
)
def test_runs_are_found_by_patterns_of_either_name(snapshot, patterns, found):
    assert references(snapshot, *patterns) == found


def test_newest_succeeded_run_of_an_experiment_is_meant(files):
    text = files["experiments/good/runs/31a4e76e1a.yaml"].decode()
    newer = text.replace("31a4e76e1a", "0000000000").replace("2026-01-01", "2026-01-02")
    failed = newer.replace("0000000000", "1111111111").replace("succeeded", "failed")
    files["experiments/good/runs/0000000000.yaml"] = newer.encode()
    files["experiments/good/runs/1111111111.yaml"] = failed.replace("01-02T", "01-03T").encode()
    assert references(Snapshot(files), "good", "go*") == ["good/0000000000"]
    assert find_run(Snapshot(files), "good").id == "0000000000"


def test_every_unknown_name_is_named_at_once(snapshot):
    with pytest.raises(PipelineError, match=r"'x', 'sweep-\*' has no receipt of a run"):
        matching_runs(snapshot, ["x", "good", "sweep-*"])


def test_unknown_run_offers_only_those_that_succeeded(snapshot):
    with pytest.raises(PipelineError) as error:
        find_run(snapshot, "x")
    assert str(error.value).endswith(f"known are: {BETTER}, {GOOD}, {WEAK}")


def test_experiment_whose_runs_all_failed_says_why(snapshot):
    with pytest.raises(
        PipelineError, match="'broken' has no run that succeeded, its newest failed: "
    ):
        find_run(snapshot, "broken")
