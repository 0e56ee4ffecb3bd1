import pytest
from ml_pipeline.documents.changes import applied
from ml_pipeline.documents.faults import InvalidDocumentsError
from ml_pipeline.documents.promotion import Rollout
from ml_pipeline.documents.snapshot import Snapshot, load_snapshot
from ml_pipeline.environments.embedded.records import status_of
from ml_pipeline.rules.automation.observed import Observed
from ml_pipeline.rules.automation.plan import plan
from ml_pipeline.rules.identity.served import Serving, serving_of
from ml_pipeline.rules.proposals.promotion import PromotionRequest, Proposal, promotion_changes
from ml_pipeline.rules.render.drift import drift

from tests.support.simulate import serving_status

GOOD, BETTER = "good/31a4e76e1a", "better/c39d9a14b0"
PATH = "environments/local/promotions/digits.yaml"


def promote(files, reference: str, past=frozenset(), **rollout) -> Proposal:
    snapshot = load_snapshot(files)
    asked = PromotionRequest(snapshot.runs_by_reference[reference], "local", Rollout(**rollout))
    return promotion_changes(snapshot, asked, past)


def after(files, reference: str, **rollout) -> dict[str, bytes]:
    return applied(files, promote(files, reference, **rollout).changes)


def step(files, errors: int = 0) -> dict[str, bytes]:
    """The tree after automation's next step."""
    status = serving_status(files)
    status["evidence"][-1]["errors"] = errors
    for due in plan(load_snapshot(files), Observed("local", serving={"digits": status_of(status)})):
        files = applied(files, due.changes)
    return files


def serving(files) -> Serving:
    return serving_of(Snapshot(files), "local", "digits")


@pytest.fixture
def finished(current) -> dict[str, bytes]:
    """`better` serves alone, after a rollout over `good`."""
    return step(step(current))


@pytest.fixture
def aborted(current) -> dict[str, bytes]:
    """`better` was taken out, `good` serves."""
    return step(current, errors=900)


def test_document_and_overlay_are_one_change(current):
    proposal = promote(step(current), GOOD)
    assert PATH in proposal.changes.write
    assert proposal.message.startswith("Promote digits to good/31a4e76e1a in local\n\n")
    later = load_snapshot(applied(step(current), proposal.changes))
    assert not any("/serving/" in path for path in drift(later).write)


def test_what_others_have_not_rendered_is_no_part_of_a_promotion(files):
    """A revert of it would take that back too."""
    changes = promote(files, GOOD).changes
    assert {path.split("/")[2] for path in changes.write} <= {"promotions", "serving"}


def test_run_on_its_way_is_told_with_its_progress(current):
    proposal = promote(step(current), BETTER)
    assert not proposal.changes
    assert proposal.consequence.startswith(
        "is on its way already: step 2 of 3, 50 % of the traffic"
    )


def test_run_that_serves_alone_is_told(finished):
    proposal = promote(finished, BETTER, min_requests=7)
    assert (proposal.changes.write, proposal.consequence) == (
        {},
        "serves already, with all of the traffic",
    )


def test_stable_of_an_aborted_rollout_serves_already(aborted):
    assert promote(aborted, GOOD).consequence.endswith(f"{BETTER} was taken out")


def test_other_conditions_change_the_rollout_that_runs(current):
    moved = step(current)
    proposal = promote(moved, BETTER, min_requests=20, max_p99_increase=2.0)
    later = serving(applied(moved, proposal.changes))
    assert (later.rollout, later.weights) == (serving(moved).rollout, serving(moved).weights)
    assert later.promotion.rollout.min_requests == 20
    assert "min_requests from 500 to 20, max_p99_increase from 0.5 to 2.0" in proposal.consequence
    assert proposal.message.startswith(f"Change the rollout of digits to {BETTER} in local\n")


def test_other_steps_are_a_rollout_of_their_own(current):
    moved = step(current)
    later = serving(after(moved, BETTER, steps=(5, 100)))
    assert later.rollout != serving(moved).rollout
    assert later.weights == {GOOD: 95, BETTER: 5}


def test_run_that_was_taken_out_gets_another_attempt(aborted):
    later = serving(after(aborted, BETTER))
    assert later.promotion.attempt == 2
    assert (later.weights, later.standing) == ({GOOD: 90, BETTER: 10}, "runs")


def test_attempts_count_on(aborted):
    for attempt in (2, 3):
        again = after(aborted, BETTER)
        assert serving(again).promotion.attempt == attempt
        aborted = step(again, errors=900)


def test_finished_rollout_begins_anew(finished):
    """The patch of its first rollout would give it all of the traffic at once."""
    back = after(finished, GOOD, steps=(100,))
    assert serving(back).weights == {GOOD: 100}
    assert serving(after(back, BETTER)).weights == {GOOD: 90, BETTER: 10}


def test_rollout_that_was_asked_for_before_is_not_asked_for_again(current):
    """It has left no trace, as automation never moved it; history knows it all the same."""
    later = after(current, GOOD)
    again = promote(later, BETTER, past={serving(current).rollout})
    assert serving(applied(later, again.changes)).promotion.attempt == 2


def test_stable_run_takes_all_of_the_traffic_back(current):
    proposal = promote(current, GOOD)
    assert serving(applied(current, proposal.changes)).weights == {GOOD: 100}
    assert proposal.consequence == "gets all of the traffic"


@pytest.mark.parametrize("standing", ["current", "finished", "aborted"])
def test_resources_changed_by_hand_neither_restart_nor_revive(request, standing):
    files = request.getfixturevalue(standing)
    changed = files | {PATH: files[PATH].replace(b"memory: 2Gi", b"memory: 3Gi")}
    assert changed[PATH] != files[PATH]
    assert serving(changed).rollout == serving(files).rollout
    assert serving(changed).weights == serving(files).weights


def test_resources_of_what_serves_are_kept(finished):
    """Another limit would start the stable predictor anew."""
    finished[PATH] = finished[PATH].replace(b"memory: 2Gi", b"memory: 3Gi")
    assert serving(after(finished, GOOD)).promotion.resources.memory == "3Gi"


def test_run_that_failed_a_gate_is_refused(current):
    with pytest.raises(InvalidDocumentsError, match="fails its gate"):
        promote(current, "weak/e96261b1e3")


def with_other_signature(files) -> dict[str, bytes]:
    """A run that takes flat rows, while the one that serves takes images."""
    path = "experiments/better/runs/c39d9a14b0.yaml"
    return {**files, path: files[path].replace(b"[-1, 1, 8, 8]", b"[-1, 64]")}


def good_serves(files) -> dict[str, bytes]:
    path = "environments/local/promotions/digits.yaml"
    raw = files[path].replace(b"better/c39d9a14b0", b"good/31a4e76e1a")
    return {**files, path: raw.replace(b"\nbaseline: good/31a4e76e1a", b"")}


@pytest.fixture
def changed(files):
    return good_serves(with_other_signature(files))


def test_run_with_another_signature_is_refused(changed):
    with pytest.raises(InvalidDocumentsError, match=r"takes float32 \[-1, 64\], its baseline"):
        promote(changed, BETTER)


def test_run_with_another_signature_is_promoted_where_the_person_says_so(changed):
    snapshot = load_snapshot(changed)
    run = snapshot.runs_by_reference[BETTER]
    asked = PromotionRequest(run, "local", Rollout(), accept_signature_change=True)
    assert (
        b"accept_signature_change: true" in promotion_changes(snapshot, asked).changes.write[PATH]
    )


def test_nothing_is_refused_where_a_receipt_does_not_say(files):
    path = "experiments/good/runs/31a4e76e1a.yaml"
    lines = files[path].decode().split("signature:\n  inputs")
    silent = lines[0] + "started" + lines[1].partition("started")[2]
    tree = {**good_serves(with_other_signature(files)), path: silent.encode()}
    assert promote(tree, BETTER).changes.write
