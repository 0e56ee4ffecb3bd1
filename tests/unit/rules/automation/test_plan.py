import json
import random

import pytest
from ml_pipeline.documents.changes import applied
from ml_pipeline.documents.results import MAX_BYTES
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.rules.automation.branch import Branch
from ml_pipeline.rules.automation.observed import Observed
from ml_pipeline.rules.automation.plan import plan
from ml_pipeline.rules.render.drift import drift
from ml_pipeline.rules.render.training import training_overlays
from ml_pipeline.rules.review.faults import document_faults

from tests.support.many import many
from tests.support.simulate import PREPARED, finished, observed, settle, trained

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
    assert set(step.changes.delete) == set(training_overlays(load_snapshot(current)))


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
    identity = next(iter(Branch(snapshot).awaited("local")))
    (step,) = steps(
        current, results={identity: finished(trained(identity))}, failed={identity[:10]: "x"}
    )
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
    identity = next(iter(Branch(snapshot).awaited("local")))
    (step,) = steps(files, results={identity: finished({**trained(identity), **result})})
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


MALFORMED = [
    [],
    {},
    {"data": 5},
    None,
    b"",
    b"<html>502 Bad Gateway</html>",
    b'{"metrics": {"gate_accuracy": 0.9',
    b"[" * 100_000,
    b" " * (MAX_BYTES + 1),
    {**trained("a" * 64), "metrics": {"gate_accuracy": float("nan")}},
    {**trained("a" * 64), "metrics": {"gate_accuracy": float("inf")}},
    {**trained("a" * 64), "metrics": {"gate_accuracy": 10**400}},
    {**trained("a" * 64), "started": "yesterday"},
    {key: value for key, value in trained("a" * 64).items() if key != "artifact"},
]


@pytest.mark.parametrize("receipt", MALFORMED, ids=range(len(MALFORMED)))
def test_nonsense_is_a_failed_run_whose_receipt_says_so(current, receipt):
    identity = next(iter(Branch(load_snapshot(current)).awaited("local")))
    (step,) = steps(current, results={identity: finished(receipt)})
    after = load_snapshot(applied(current, step.changes))
    run = after.runs[identity]
    assert (run.outcome, run.tracking.run_id) == ("failed", "1" * 32)
    assert run.reason.startswith("receipt.json of MLflow run 1111")
    assert step.changes.delete


def test_reason_of_a_failed_job_is_one_line_of_a_receipt(current):
    (step,) = steps(current, failed={"ddd4bf48a3": "x\ny\x00 \u2028 " * 10_000})
    after = load_snapshot(applied(current, step.changes))
    (run,) = (run for run in after.runs.values() if run.experiment == "waiting")
    assert run.reason.isprintable()
    assert len(run.reason) <= 500


@pytest.fixture
def unprepared(files):
    """A tree in which no data is prepared yet."""
    for path in [path for path in files if "/data/" in path or "/runs/" in path]:
        del files[path]
    del files["environments/local/promotions/digits.yaml"]
    return applied(files, drift(load_snapshot(files)))


def test_failed_data_job_gets_a_receipt_that_can_be_read(unprepared):
    (identity,) = Branch(load_snapshot(unprepared)).awaited("local")
    (step,) = steps(unprepared, failed={identity[:10]: "PodFailurePolicy: exit code 42"})
    after = load_snapshot(applied(unprepared, step.changes))
    assert after.data[identity].data is None
    assert Branch(after).awaited("local") == set()


def test_data_whose_receipt_nobody_could_read_has_failed(unprepared):
    """A document has at most 256 KiB; this one would be larger, and would hold every experiment on it for ever."""
    (identity,) = Branch(load_snapshot(unprepared)).awaited("local")
    column = {**PREPARED["columns"][0], "name": "n" * 100}
    receipt = {**PREPARED, "columns": [column] * 3000}
    (step,) = steps(unprepared, results={identity: finished(receipt)})
    after = load_snapshot(applied(unprepared, step.changes))
    assert "at most 262144 are read" in after.data[identity].reason


def test_failed_job_settles_nothing_while_mlflow_cannot_be_asked(current):
    """It may have failed after it had left its result."""
    identity = next(iter(Branch(load_snapshot(current)).awaited("local")))
    assert steps(current, failed={identity[:10]: "x"}, unknown=frozenset({identity})) == []


def test_later_estimates_know_the_receipts_of_the_same_pass():
    files = many(4)
    planned = plan(load_snapshot(files), observed(files))
    after = files
    for step in planned:
        after = applied(after, step.changes)
    estimates = [run.estimate.runs for run in load_snapshot(after).runs.values() if run.estimate]
    assert sorted(estimates)[-1] == sorted(estimates)[0] + len(planned) - 1


def test_each_result_is_settled_whatever_the_others_are(say):
    """Random mutations of good results, at any depth: no exception, every good one settled, every receipt readable."""
    count, chance = 1000, random.Random(0)
    files = many(count)
    snapshot = load_snapshot(files)
    good = {i: finished(trained(i)) for i in Branch(snapshot).awaited("local")}
    results, failed = dict(good), {}
    bad = set(chance.sample(sorted(good), count - 100))
    for number, identity in enumerate(sorted(bad)):
        if number < len(MALFORMED):
            results[identity] = finished(MALFORMED[number])
        else:
            results[identity] = finished(mutated(trained(identity), chance))
        failed[identity[:10]] = "\n".join(["Traceback"] * chance.randrange(3000))
    planned = plan(snapshot, Observed("local", results=results, failed=failed))
    after = snapshot
    for step in planned:
        after = after.after(step.changes)
    fresh = load_snapshot(after.files)
    assert document_faults(fresh) == []
    assert {i for i in good if i in fresh.runs} == set(good)
    assert all(fresh.runs[i].outcome == "succeeded" for i in good.keys() - bad)
    lost = sum(fresh.runs[i].outcome == "failed" for i in bad)
    say(f"{len(good)} results, {len(bad)} of them mutated: {lost} recorded as failed, seed 0")
    assert lost > len(bad) / 2


def test_mutated_results_of_a_preparation_settle_it_or_fail_it(unprepared):
    chance = random.Random(0)
    snapshot = load_snapshot(unprepared)
    (identity,) = Branch(snapshot).awaited("local")
    for _ in range(100):
        (step,) = plan(
            snapshot, Observed("local", results={identity: finished(mutated(PREPARED, chance))})
        )
        after = snapshot.after(step.changes)
        fresh = load_snapshot(after.files)
        assert identity in fresh.data
        assert document_faults(fresh) == []


def mutated(receipt: dict, chance: random.Random) -> bytes:
    """A good receipt with one to three changes at any depth, as bytes; at times cut off."""
    data = json.loads(json.dumps(receipt))
    for _ in range(chance.randint(1, 3)):
        at, key = data, chance.choice(list(data) or [""])
        while isinstance(at.get(key), dict) and at[key] and chance.random() < 0.7:
            at = at[key]
            key = chance.choice(list(at))
        if chance.random() < 0.3:
            at.pop(key, None)
        else:
            at[key] = chance.choice(NONSENSE)
    raw = json.dumps(data).encode()
    return raw[: chance.randrange(len(raw))] if chance.random() < 0.1 else raw


NONSENSE = [
    None, True, -1, 0, 5, 10**30, 10**400, 1e-320, 1e308, float("nan"), float("-inf"), "", "x" * 10_000,
    "a\nb", "\x00", "\ud800", "\u2028", "../..", "1e3", "null", [], [[]], {}, {"a": {"b": 1}}, "0" * 64,
    "2026-02-30T00:00:00Z", "9999-12-31T23:59:59Z",
]  # fmt: skip
