import pytest
from ml_pipeline.documents.changes import applied
from ml_pipeline.documents.snapshot import Snapshot, load_snapshot
from ml_pipeline.environments.embedded.records import status_of
from ml_pipeline.rules.automation.observed import Observed
from ml_pipeline.rules.automation.plan import plan
from ml_pipeline.rules.identity.served import serving_of
from ml_pipeline.rules.rollout.steps import Progress, progress

from tests.support.simulate import serving_status

GOOD, BETTER = "good/31a4e76e1a", "better/c39d9a14b0"


def steps(files, serving):
    seen = {model: status_of(status) for model, status in serving.items()}
    return plan(load_snapshot(files), Observed("local", serving=seen))


def test_good_step_is_advanced(current):
    (step,) = steps(current, serving={"digits": serving_status(current)})
    after = applied(current, step.changes)
    assert serving_of(load_snapshot(after), "local", "digits").weights == {GOOD: 50, BETTER: 50}


def test_rollout_ends_with_a_verdict(current):
    for _ in range(2):
        (step,) = steps(current, serving={"digits": serving_status(current)})
        current = applied(current, step.changes)
    serving = serving_of(load_snapshot(current), "local", "digits")
    assert (serving.weights, serving.ended) == ({BETTER: 100}, True)
    assert next(iter(load_snapshot(current).verdicts.values())).outcome == "finished"


def test_bad_candidate_is_taken_out_with_a_verdict(current):
    status = serving_status(current)
    status["evidence"][1]["errors"] = 500
    (step,) = steps(current, serving={"digits": status})
    after = load_snapshot(applied(current, step.changes))
    assert serving_of(after, "local", "digits").weights == {GOOD: 100}
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


def waits(files, status, model="digits") -> Progress:
    seen = {} if status is None else {model: status_of(status)}
    (found,) = progress(load_snapshot(files), "local", seen)
    return found


STARTS = {"run": BETTER, "ready": False, "message": "starts"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"rollout": "0000000000"}, "its commit is not applied yet"),
        (
            {"routed": {GOOD: 100}, "predictors": [STARTS]},
            f"{BETTER} is not ready (starts)",
        ),
        ({"routed": {GOOD: 100}, "predictors": []}, "its weights are not routed yet"),
        ({"evidence": []}, "nothing was measured since its weights were routed"),
    ],
)
def test_rollout_that_holds_says_what_it_waits_for(current, change, reason):
    found = waits(current, {**serving_status(current), **change})
    assert (found.reason, found.outcome, found.step, found.steps) == (reason, "runs", 1, 3)


def test_rollout_that_nobody_has_seen_waits_for_its_commit(current):
    assert waits(current, None).reason == "its commit is not applied yet"


def test_rollout_counts_the_requests_of_its_step(current):
    found = waits(current, serving_status(current, requests=214))
    assert (found.requests, found.min_requests, found.share) == (214, 500, 10)
    assert str(found) == (
        f"digits: the rollout of {BETTER} is at step 1 of 3, 10 % of the traffic; "
        "waits: 214 of 500 requests answered"
    )


def test_rollout_whose_step_is_due_waits_for_nothing(current):
    found = waits(current, serving_status(current))
    assert (found.reason, found.requests) == ("", 1000)
    assert str(found).endswith("`reconcile` commits its next step now")


def test_aborted_rollout_says_why_and_the_way_out(current):
    status = serving_status(current)
    status["evidence"][1]["errors"] = 500
    (step,) = steps(current, serving={"digits": status})
    found = waits(applied(current, step.changes), status)
    assert (found.outcome, found.reason) == ("aborted", step.reason.removesuffix("."))
    assert f"`ml-pipeline promote {BETTER} --env local` tries it again" in str(found)
    assert "`ml-pipeline rollback digits --env local` takes the promotion back" in str(found)


def test_finished_rollout_is_no_progress(current):
    for _ in range(2):
        (step,) = steps(current, serving={"digits": serving_status(current)})
        current = applied(current, step.changes)
    assert list(progress(load_snapshot(current), "local", {})) == []


def test_rollout_on_a_cluster_that_nobody_measures_says_so(current):
    path = "environments/local/environment.yaml"
    current[path] = current[path].replace(b"runtime: embedded", b"runtime: kubernetes")
    (found,) = progress(Snapshot(current), "local", {})
    assert "nobody measures what it answers; run `ml-pipeline bridge --env local`" in str(found)
