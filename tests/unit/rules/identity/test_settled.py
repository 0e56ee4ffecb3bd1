from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.rules.identity.settled import (
    receipt_line,
    receipt_path,
    settling_receipt,
    why_no_jobs,
)

from tests.support.simulate import settle


def test_receipt_of_a_run_settles_its_experiment(snapshot):
    receipt = settling_receipt(snapshot, snapshot.experiments["good"])
    assert receipt_path(snapshot, receipt) == "experiments/good/runs/31a4e76e1a.yaml"
    assert receipt_line(snapshot, receipt) == (
        "trained already, experiments/good/runs/31a4e76e1a.yaml is its receipt "
        "(gate_accuracy 0.98, gate_latency_p99_ms 0.1, gate_memory_mb 480); nothing runs"
    )


def test_experiment_that_waits_is_not_settled(snapshot):
    assert settling_receipt(snapshot, snapshot.experiments["waiting"]) is None


def test_data_that_failed_settles_every_experiment_on_it(files):
    [path] = [path for path in files if "/data/" in path]
    head = files[path].decode().split("data:\n")[0]
    snapshot = load_snapshot(
        {**files, path: f"{head}data: null\nreason: a column is empty\n".encode()}
    )
    receipt = settling_receipt(snapshot, snapshot.experiments["waiting"])
    assert receipt_line(snapshot, receipt) == (
        f"its data failed, {path} is the receipt: a column is empty; to try again, `ml-pipeline withdraw {path}`"
    )


def test_no_jobs_says_what_waits_and_what_failed(snapshot):
    first, *failed = why_no_jobs(snapshot, "local").splitlines()
    assert first == "no Jobs yet: waiting waits to be applied"
    assert [line.partition(",")[0] for line in failed] == ["broken failed"]


def test_no_jobs_after_success_says_so(files):
    kept = {p: raw for p, raw in settle(files).items() if not p.startswith("experiments/broken/")}
    assert why_no_jobs(load_snapshot(kept), "local") == "no Jobs: 4 of 4 experiments have trained"


def test_no_jobs_without_experiments_says_how_to_begin(snapshot):
    assert why_no_jobs(snapshot, "production") == (
        "no Jobs: no experiment trains in production; `ml-pipeline new` makes one"
    )
