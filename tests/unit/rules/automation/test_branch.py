"""One broken file holds what needs it, and nothing else; what is held is left alone, both ways."""

import pytest
from ml_pipeline.documents.changes import Changes, applied
from ml_pipeline.documents.snapshot import Snapshot, load_snapshot
from ml_pipeline.environments.embedded.records import status_of
from ml_pipeline.rules.automation.branch import Branch
from ml_pipeline.rules.automation.observed import Observed
from ml_pipeline.rules.automation.plan import make_plan
from ml_pipeline.rules.render.drift import drift
from ml_pipeline.rules.review.plain_files import special

from tests.support.simulate import observed, serving_status

WAITING = "experiments/waiting/experiment.yaml"
DATA = "experiments/better/data/216b187a78.yaml"
RUN = "experiments/good/runs/31a4e76e1a.yaml"
LOCAL = "environments/local/environment.yaml"
PROMOTION = "environments/local/promotions/digits.yaml"
JOB = "base/training-job/job.yaml"
UNREADABLE = b"kind: [\n"
LINK = special("120000", "0" * 40)


@pytest.fixture
def current(files):
    """The tree with its overlays, and a second experiment that waits for its own run."""
    text = (
        files[WAITING]
        .decode()
        .replace("name: waiting", "name: other")
        .replace("seed: 7", "seed: 8")
    )
    files["experiments/other/experiment.yaml"] = text.encode()
    return applied(files, drift(load_snapshot(files)))


def planned(files, seen=None):
    return make_plan(Branch(Snapshot(files)), seen or Observed("local"))


def reasons(files) -> list[str]:
    return [hold.reason for hold in planned(files).holds]


def settled(plan) -> list[str]:
    return [step.subject.split("/")[0] for step in plan.steps]


@pytest.mark.parametrize("broken", [UNREADABLE, b"", b"\xff", b"kind: Run\n", b"x" * 300_000])
def test_broken_experiment_holds_itself_alone(current, broken):
    seen = observed(current)
    plan = planned({**current, WAITING: broken}, seen)
    assert settled(plan) == ["Record run other"]
    assert [hold.what for hold in plan.holds] == [WAITING]
    assert plan.holds[0].reason.endswith(f"or take it out with `ml-pipeline withdraw {WAITING}`")


def test_overlay_of_a_broken_experiment_is_left_alone(current):
    """Its Job may run: pruning it would end the training."""
    assert planned({**current, WAITING: UNREADABLE}).steps == ()


def test_link_in_place_of_an_experiment_holds_itself_alone(current):
    plan = planned({**current, WAITING: LINK}, observed(current))
    assert settled(plan) == ["Record run other"]
    assert [hold.reason for hold in plan.holds] == [
        f"{WAITING}:1: is a symbolic link, which Flux leaves out; replace it by the file, "
        f"or take it out with `ml-pipeline withdraw {WAITING}`"
    ]
    assert planned({**current, WAITING: LINK}).steps == ()


def test_overlay_of_an_experiment_whose_folder_has_become_a_link_is_left_alone(current):
    files = {path: raw for path, raw in current.items() if path != WAITING}
    assert len(planned(files).steps) == 1
    assert planned({**files, "experiments/waiting": LINK}).steps == ()


def test_link_where_no_document_lies_is_named_and_holds_nothing(current):
    """Only a document can be withdrawn."""
    notes = "experiments/waiting/notes.md"
    plan = planned({**current, notes: LINK}, observed(current))
    assert settled(plan) == ["Record run other", "Record run waiting"]
    (reason,) = (hold.reason for hold in plan.holds)
    assert reason.endswith(f"or revert its commit, `git log -1 -- {notes}`")


def test_link_in_base_renders_no_job_anew(current):
    plan = planned({**current, JOB: LINK})
    assert plan.steps == ()
    assert any("is a symbolic link" in hold.reason for hold in plan.holds)


def test_overlay_of_an_experiment_that_breaks_a_rule_is_left_alone(current):
    too_large = current[WAITING].replace(b"memory: 2Gi", b"memory: 900Ti")
    plan = planned({**current, WAITING: too_large}, observed(current))
    assert settled(plan) == ["Record run other"]
    assert "'900Ti' is above the largest node" in plan.holds[0].reason


def test_overlay_of_data_is_left_alone_while_an_experiment_cannot_be_read(current):
    """It may be what that experiment waits for."""
    overlay = "environments/local/training/data-0123456789-0123456789/job.yaml"
    assert planned({**current, overlay: b"x: 1\n", WAITING: UNREADABLE}).steps == ()
    (step,) = planned({**current, overlay: b"x: 1\n"}).steps
    assert step.changes.delete == {overlay}


def test_overlay_of_an_experiment_that_is_gone_goes_while_another_is_broken(current):
    current = {**current, WAITING: UNREADABLE}
    del current["experiments/other/experiment.yaml"]
    (step,) = planned(current).steps
    assert {path.split("/")[3].split("-")[0] for path in step.changes.delete} == {"other"}


def test_run_that_a_held_experiment_may_train_is_not_started_under_another_name(current):
    """Two experiments ask for one run; the one that has the overlay breaks, and its Job goes on."""
    twin = current[WAITING].replace(b"name: waiting", b"name: zwilling")
    files = {**current, "experiments/zwilling/experiment.yaml": twin}
    assert planned(files).steps == ()
    assert planned({**files, WAITING: UNREADABLE}).steps == ()


@pytest.mark.parametrize("broken", [UNREADABLE, b"id: 31a4e76e1a\n"])
def test_broken_receipt_of_a_run_does_not_have_it_trained_again(current, broken):
    plan = planned({**current, RUN: broken}, observed(current))
    assert sorted(settled(plan)) == ["Record run other", "Record run waiting"]
    assert [hold.what for hold in plan.holds] == [RUN]
    assert not any("/training/good-" in path for step in plan.steps for path in step.changes.write)


def test_receipt_under_another_name_does_not_have_its_run_trained_again(current):
    moved = {**current, "experiments/good/runs/0000000000.yaml": current[RUN]}
    del moved[RUN]
    del moved[PROMOTION]
    plan = planned(moved)
    assert not any("/training/good-" in path for step in plan.steps for path in step.changes.write)
    assert "must be the file's name and begin the identity" in plan.holds[0].reason


def test_broken_receipt_of_data_holds_what_trains_on_it(current):
    plan = planned({**current, DATA: UNREADABLE}, observed(current))
    assert plan.steps == ()
    (hold,) = plan.holds
    assert "6 experiments cannot go on without it" in hold.reason


def test_broken_environment_of_others_holds_nothing_here(current):
    plan = planned(
        {**current, "environments/staging/environment.yaml": UNREADABLE}, observed(current)
    )
    assert sorted(settled(plan)) == ["Record run other", "Record run waiting"]
    assert plan.holds == ()


def test_broken_environment_holds_all_that_is_in_it(current):
    plan = planned({**current, LOCAL: UNREADABLE}, observed(current))
    assert plan.steps == ()
    assert plan.holds[0].reason.startswith(f"{LOCAL}:")
    assert f"or revert its commit, `git log -1 -- {LOCAL}`" in plan.holds[0].reason


@pytest.mark.parametrize(
    "path",
    [
        PROMOTION,
        "environments/local/rollouts/digits/0123456789.yaml",
        RUN,
    ],
)
def test_broken_file_of_a_rollout_holds_that_rollout(current, path):
    seen = Observed("local", serving={"digits": status_of(serving_status(current))})
    assert len(planned(current, seen).steps) == 1
    plan = planned({**current, path: UNREADABLE}, seen)
    assert plan.steps == ()
    assert path in [hold.what for hold in plan.holds]


def test_verdict_that_cannot_be_read_does_not_let_its_rollout_go_on(current):
    status = serving_status(current)
    status["evidence"][1]["errors"] = 1000
    seen = Observed("local", serving={"digits": status_of(status)})
    (step,) = planned(current, seen).steps
    ended = applied(current, step.changes)
    verdict = next(path for path in step.changes.write if "/verdicts/" in path)
    assert planned({**ended, verdict: UNREADABLE}, seen).steps == ()


def test_base_that_cannot_be_read_holds_what_builds_on_it(current):
    plan = planned({**current, JOB: UNREADABLE}, observed(current))
    assert sorted(settled(plan)) == ["Record run other", "Record run waiting"]
    assert planned({**current, JOB: UNREADABLE}).steps == ()
    assert [hold.what for hold in planned({**current, JOB: UNREADABLE}).holds] == [JOB]
    assert "2 experiments cannot go on without it" in reasons({**current, JOB: UNREADABLE})[0]


def test_stray_file_holds_nothing(current):
    plan = planned({**current, "experiments/notes.yaml": b"x: 1\n"}, observed(current))
    assert sorted(settled(plan)) == ["Record run other", "Record run waiting"]
    assert "is in no place that holds documents" in plan.holds[0].reason


def test_nonsense_measured_of_one_model_is_held(current):
    status = {**serving_status(current), "evidence": [{"run": 5}]}
    plan = planned(current, Observed("local", serving={"digits": status_of(status)}))
    assert plan.steps == ()
    assert plan.holds[0].what == "model digits"


def test_branch_after_a_change_is_that_of_the_changed_tree(current):
    """What was found before is kept only where nothing has changed that it rests on."""
    changes = (
        {WAITING: UNREADABLE},
        {LOCAL: current[LOCAL].replace(b"memory: ", b"memory: 1Mi #")},
        {RUN: UNREADABLE},
        {JOB: UNREADABLE},
        {
            JOB: current[JOB].replace(
                b"terminationGracePeriodSeconds: 60", b"terminationGracePeriodSeconds: 90"
            )
        },
    )
    branch, files = Branch(Snapshot(current)), dict(current)
    for change in changes:
        branch.drift("local")
        branch, files = branch.after(Changes(change)), {**files, **change}
        fresh = Branch(Snapshot(files))
        assert branch.holds("local") == fresh.holds("local")
        assert branch.drift("local") == fresh.drift("local")
        assert branch.pending == fresh.pending
