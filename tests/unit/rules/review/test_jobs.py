"""What becomes of Jobs in a merge, where receipts come and go, and overlays are stale."""

import pytest
from ml_pipeline.documents.changes import applied
from ml_pipeline.documents.snapshot import Snapshot, load_snapshot
from ml_pipeline.rules.render.drift import drift
from ml_pipeline.rules.review.jobs import job_consequences, stale_experiments

WAITING = "experiments/waiting/experiment.yaml"
GOOD = "experiments/good/runs/31a4e76e1a.yaml"
DATA = "experiments/better/data/216b187a78.yaml"
PROMOTION = "environments/local/promotions/digits.yaml"


def rendered(files) -> Snapshot:
    return load_snapshot(applied(files, drift(load_snapshot(files))))


def without(files, *paths) -> dict[str, bytes]:
    return {path: raw for path, raw in files.items() if path not in paths}


def said(before, after) -> list[tuple[str, str]]:
    old, new = rendered(before), rendered(after)
    paths = {
        path
        for path in old.files.keys() | new.files.keys()
        if old.files.get(path) != new.files.get(path)
    }
    told = job_consequences(old, new, paths)
    return [(one.kind, one.text.partition(":")[0]) for one in told]


def test_receipt_that_is_taken_out_trains_its_run_again(files):
    files = without(files, PROMOTION)
    assert said(files, without(files, GOOD)) == [("trains", "trains good/31a4e76e1a")]


def test_receipt_of_data_that_is_taken_out_prepares_it_again(files):
    before = without(files, PROMOTION, GOOD)
    kinds = dict(said(before, without(before, DATA)))
    assert kinds["prepares"] == "trains weak after preparing its data"
    assert "reuses" not in kinds


def test_receipt_that_comes_is_no_cancelling(files):
    """Its overlay goes because the run has ended."""
    receipt = files[GOOD]
    before = without(files, PROMOTION, GOOD)
    assert said(before, {**before, GOOD: receipt}) == []


def test_data_that_could_not_be_prepared_is_told_where_an_experiment_asks_for_it(files):
    head = files[DATA].decode().partition("data:\n")[0]
    failed = {**files, DATA: f"{head}data: null\nreason: exit code 42\n".encode()}
    before = without(failed, WAITING)
    assert said(before, failed) == [("reuses", "the data of waiting could not be prepared")]


def test_preparation_that_nobody_asks_for_any_more_is_cancelled(files):
    wine = files[WAITING].replace(b"bundled://digits", b"bundled://wine")
    ((kind, text),) = said({**files, WAITING: wine}, without(files, WAITING))
    assert kind == "cancels"
    assert text.startswith("cancels the preparation of the data ")
    assert text.endswith(" of waiting, running or not")


def test_what_has_nothing_to_do_with_the_change_is_not_told(files):
    """That of `waiting` goes on, and nobody has asked about it."""
    before = without(files, PROMOTION)
    told = said(before, without(before, GOOD, "experiments/good/experiment.yaml"))
    assert not any("waiting" in text for _, text in told)


def test_other_resources_restart_a_run_and_only_that(files):
    other = files[WAITING].replace(b"memory: 2Gi", b"memory: 3Gi")
    assert said(files, {**files, WAITING: other}) == [
        ("restarts", "restarts waiting/ddd4bf48a3 from its checkpoint in another Job")
    ]


def test_overlay_that_stays_the_same_job_restarts_nothing(files):
    side = rendered(files)
    touched = [path for path in side.files if "/training/waiting-" in path]
    assert list(job_consequences(side, side, touched)) == []


def test_wait_of_like_runs_is_told_with_the_price(files):
    waited = {
        path: raw + b"queued_s: 120.0\n" if "/runs/" in path else raw for path, raw in files.items()
    }
    old, new = rendered(without(waited, WAITING)), rendered(waited)
    paths = new.files.keys() - old.files.keys()
    (told,) = job_consequences(old, new, paths)
    assert " after 2 min of waiting on laptop, from 3 like runs" in told.text
    assert 0 < told.cost <= told.most
    assert told.currency == "USD"


@pytest.fixture
def overlay(current):
    return {path for path in current if "/training/waiting-" in path}


def test_experiment_with_its_overlay_is_not_stale(current, overlay):
    assert stale_experiments(Snapshot(current), [WAITING, *overlay]) == []


def test_experiment_whose_overlay_lacks_or_is_another_is_stale(current, overlay):
    assert stale_experiments(Snapshot(without(current, *overlay)), [WAITING]) == ["waiting"]
    (job,) = (path for path in overlay if path.endswith("/job.yaml"))
    assert stale_experiments(Snapshot({**current, job: b"x: 1\n"}), [WAITING]) == ["waiting"]


def test_experiment_that_nobody_has_changed_is_not_asked_about(current, overlay):
    assert stale_experiments(Snapshot(without(current, *overlay)), [GOOD]) == []


def test_experiment_that_is_settled_needs_no_overlay(current):
    assert stale_experiments(Snapshot(current), ["experiments/good/experiment.yaml"]) == []


def test_experiment_whose_run_another_one_trains_is_not_stale(current):
    path = "experiments/twin/experiment.yaml"
    twin = current[WAITING].replace(b"name: waiting", b"name: twin")
    assert stale_experiments(Snapshot({**current, path: twin}), [path]) == []


def test_experiment_without_an_environment_cannot_be_stale(current):
    lost = current[WAITING].replace(b"environment: local", b"environment: nowhere")
    assert stale_experiments(Snapshot({**current, WAITING: lost}), [WAITING]) == []
