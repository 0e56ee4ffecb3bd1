import pytest
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.rules.observed import Observed
from ml_pipeline.rules.reconcile import awaited, plan
from ml_pipeline.rules.render import applied, drift

from tests.simulate import observed, settle, trained

GOOD, BETTER = "good/31a4e76e1a", "better/c39d9a14b0"


@pytest.fixture
def current(files):
    """The tree with its overlays."""
    return applied(files, drift(load_snapshot(files)))


def steps(files, **seen):
    return plan(load_snapshot(files), Observed("local", **seen))


def test_nothing_observed_plans_nothing(current):
    assert steps(current) == []


def test_finished_run_gets_its_receipt_and_loses_its_overlay(current):
    (step,) = plan(load_snapshot(current), observed(current))
    assert list(step.changes.write) == ["experiments/waiting/runs/ddd4bf48a3.yaml"]
    assert {path.split("/")[3] for path in step.changes.delete} == {"waiting-ddd4bf48a3"}


def test_commit_says_why(current):
    (step,) = plan(load_snapshot(current), observed(current))
    assert step.message.startswith(
        "Record run waiting/ddd4bf48a3\n\nAll gates passed. Trained 60 s"
    )


def test_second_pass_plans_nothing(current):
    assert plan(load_snapshot(settle(current)), observed(settle(current))) == []


def test_failed_job_settles_its_run_with_the_reason(current):
    (step,) = steps(current, failed={"ddd4bf48a3": "OOMKilled: raise resources.memory"})
    receipt = next(iter(step.changes.write.values()))
    assert b"outcome: failed" in receipt
    assert b"raise resources.memory" in receipt


def test_result_of_a_run_that_also_failed_once_counts(current):
    snapshot = load_snapshot(current)
    identity = next(iter(awaited(snapshot, "local")))
    (step,) = steps(current, results={identity: trained(identity)}, failed={identity[:10]: "x"})
    assert b"outcome: succeeded" in next(iter(step.changes.write.values()))


def test_other_environments_are_left_alone(current):
    assert (
        plan(load_snapshot(current), Observed("staging", results=observed(current).results)) == []
    )


def test_missing_overlay_is_brought_back(files):
    (step,) = steps(files)
    assert step.subject == "Bring training overlays up to date"


def test_overlay_of_a_settled_run_is_removed(current):
    settled = settle(current)
    back = {path: raw for path, raw in current.items() if "/training/waiting" in path}
    (step,) = steps({**settled, **back})
    assert step.changes.delete == frozenset(back)


def test_person_s_serving_overlay_is_not_touched(current):
    current["environments/local/serving/digits/promotion/kustomization.yaml"] += b"# edited\n"
    assert steps(current) == []


def receipt_of(files, **result) -> bytes:
    snapshot = load_snapshot(files)
    identity = next(iter(awaited(snapshot, "local")))
    (step,) = steps(files, results={identity: {**trained(identity), **result}})
    return next(iter(step.changes.write.values()))


def test_receipt_holds_what_the_model_takes_and_gives(current):
    receipt = receipt_of(current)
    assert b"signature:\n  inputs: float32 [-1, 1, 8, 8]\n  outputs: float32 [-1, 10]\n" in receipt


def test_result_of_an_older_trainer_says_only_that_there_is_a_signature(current):
    receipt = receipt_of(current, signature=True)
    assert b"- name: signature\n  passed: true\n" in receipt
    assert b"inputs:" not in receipt


def test_result_without_a_signature_fails_the_gate(current):
    assert b"- name: signature\n  passed: false\n" in receipt_of(current, signature=None)
