import pytest
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.rules.observed import Observed
from ml_pipeline.rules.reconcile import plan
from ml_pipeline.rules.render import applied
from ml_pipeline.rules.serving import state

from tests.simulate import serving_status

GOOD, BETTER = "good/31a4e76e1a", "better/c39d9a14b0"


def steps(files, **seen):
    return plan(load_snapshot(files), Observed("local", **seen))


def test_good_step_is_advanced(current):
    (step,) = steps(current, serving={"digits": serving_status(current)})
    after = applied(current, step.changes)
    assert state(load_snapshot(after), "local", "digits").weights == {GOOD: 50, BETTER: 50}


def test_rollout_ends_with_a_verdict(current):
    for _ in range(2):
        (step,) = steps(current, serving={"digits": serving_status(current)})
        current = applied(current, step.changes)
    serving = state(load_snapshot(current), "local", "digits")
    assert (serving.weights, serving.ended) == ({BETTER: 100}, True)
    assert next(iter(load_snapshot(current).verdicts.values())).outcome == "finished"


def test_bad_candidate_is_taken_out_with_a_verdict(current):
    status = serving_status(current)
    status["evidence"][1]["errors"] = 500
    (step,) = steps(current, serving={"digits": status})
    after = load_snapshot(applied(current, step.changes))
    assert state(after, "local", "digits").weights == {GOOD: 100}
    assert next(iter(after.verdicts.values())).outcome == "aborted"


def test_aborted_rollout_is_never_taken_up_again(current):
    status = serving_status(current)
    status["evidence"][1]["errors"] = 500
    (step,) = steps(current, serving={"digits": status})
    after = applied(current, step.changes)
    assert steps(after, serving={"digits": serving_status(after)}) == []


@pytest.mark.parametrize(
    "change", [{"rollout": "0000000000"}, {"routed": {GOOD: 100}}, {"evidence": []}]
)
def test_rollout_holds_while_something_else_serves(current, change):
    assert steps(current, serving={"digits": {**serving_status(current), **change}}) == []


def test_silent_metrics_hold(current):
    assert steps(current, serving={"digits": serving_status(current, requests=0)}) == []
