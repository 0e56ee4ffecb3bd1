"""What becomes of an interval, by what lies in git alone."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.layout import run_of
from ml_pipeline.rules.automation.branch import Branch
from ml_pipeline.rules.automation.retraining import (
    State,
    interval_proposal,
    newer_runs,
    standing_in,
)
from ml_pipeline.rules.render.drift import drift

from tests.conftest import FIXTURES, REPOSITORY, folder
from tests.support.recurring import NAME, PATH, day, played, proposed, recurring, state_of

TREE = folder(FIXTURES / "valid") | folder(REPOSITORY, "base")


def stands(files, interval, *, was_proposed=None):
    known = interval.path in files if was_proposed is None else was_proposed
    return standing_in(Snapshot(files), interval, was_proposed=known)


def trainings(files) -> int:
    """Runs of the experiment beside the one on its first data."""
    mine = [run for run in map(run_of, files) if run and run.experiment == NAME]
    return len(mine) - 1


@pytest.fixture
def daily(files):
    """The experiment has trained on the data that it names itself."""
    return played(recurring(files))


def test_nothing_is_proposed_of_an_interval_at_first(daily):
    assert stands(daily, day(0)).state == State.OPEN


def test_proposal_asks_for_the_data_and_is_waited_for(daily):
    files = proposed(daily, day(0), b"a")
    made = stands(files, day(0))
    assert (made.state, made.is_over) == (State.WAITING, False)
    assert "data is not prepared" in made.reason
    (job,) = (raw for path, raw in files.items() if path.endswith("job.yaml") and path not in daily)
    assert state_of(b"a").sha256 in job.decode()


def test_proposal_leaves_nothing_to_render(daily):
    files = proposed(daily, day(0), b"a")
    training = [path for path in drift(Snapshot(files)).write if "/training/" in path]
    assert training == []


def test_interval_ends_with_its_run(daily):
    files = played(proposed(daily, day(0), b"a"))
    ended = stands(files, day(0))
    assert (ended.state, ended.is_over) == (State.SUCCEEDED, True)
    assert ended.run in Snapshot(files).runs_by_reference


def test_same_bytes_train_nothing_and_end_with_the_run_that_there_is(daily):
    first = played(proposed(daily, day(0), b"a"))
    second = proposed(first, day(1), b"a")
    assert set(second) - set(first) == {day(1).path}
    assert stands(second, day(1)).run == stands(first, day(0)).run


def test_run_that_misses_its_gates_is_a_failure(daily):
    files = played(proposed(daily, day(0), b"a"), accuracy=0.3)
    ended = stands(files, day(0))
    assert ended.state == State.FAILED
    assert "0.3" in ended.reason


def test_interval_that_had_not_trained_yields_to_a_newer_one(daily):
    files = proposed(proposed(daily, day(0), b"a"), day(1), b"b")
    assert stands(files, day(0)).state == State.SUPERSEDED
    assert stands(files, day(1)).state == State.WAITING


def test_older_interval_is_not_proposed_after_a_newer_one(daily):
    files = proposed(daily, day(1), b"b")
    made = stands(files, day(0))
    assert made.state == State.SUPERSEDED
    assert day(1).name in made.reason


def test_interval_that_has_trained_stays_so_when_a_newer_one_comes(daily):
    files = proposed(played(proposed(daily, day(0), b"a")), day(1), b"b")
    assert stands(files, day(0)).state == State.SUCCEEDED


def test_what_a_person_has_taken_out_is_told_with_the_way_back(daily):
    made = stands(daily, day(0), was_proposed=True)
    assert made.state == State.WITHDRAWN
    assert day(0).path in made.reason


def test_reverted_proposal_leaves_what_was_before(daily):
    files = proposed(daily, day(0), b"a")
    reverted = {path: raw for path, raw in files.items() if path != day(0).path}
    assert drift(Snapshot(reverted)).delete >= {p for p in files if p not in daily} - {day(0).path}


def test_experiment_without_a_schedule_any_more_is_gone(daily):
    text = daily[PATH].decode()
    kept = [line for line in text.splitlines() if not line.startswith(("schedule", "retrain"))]
    files = {**daily, PATH: "\n".join(kept).encode() + b"\n"}
    assert stands(files, day(0)).state == State.GONE
    assert stands({p: r for p, r in daily.items() if p != PATH}, day(0)).state == State.GONE


def test_schedule_can_go_while_its_run_is_there_and_the_first_data_counts_again(daily):
    files = played(proposed(daily, day(0), b"a"))
    text = (
        files[PATH]
        .decode()
        .replace("schedule: '@daily'\n", "")
        .replace("retrain: {data: latest}\n", "")
    )
    without = {**files, PATH: text.encode()}
    assert Branch(Snapshot(without)).pending.get(NAME) is None


def test_other_parameters_train_the_newest_data_once_more(daily):
    files = played(proposed(daily, day(0), b"a"))
    changed = {**files, PATH: files[PATH].replace(b"seed: 7", b"seed: 8")}
    assert stands(changed, day(0)).state == State.WAITING
    assert stands(played(changed), day(0)).state == State.SUCCEEDED


def test_faulty_snapshot_holds_its_experiment_and_no_older_data_counts(daily):
    files = played(proposed(daily, day(0), b"a"))
    files = {**files, day(1).path: b"kind: [\n"}
    branch = Branch(Snapshot(files))
    assert NAME not in branch.snapshot.experiments
    assert branch.held_by(PATH) == day(1).path
    newer = proposed(files, day(2), b"c")
    assert stands(newer, day(2)).state == State.WAITING


def test_nothing_is_proposed_in_an_environment_that_nobody_can_read(daily):
    faulty = "environments/local/environment.yaml"
    branch = Branch(Snapshot({**daily, faulty: b"kind: [\n"}))
    with pytest.raises(PipelineError, match=f"left alone until {faulty} is mended"):
        interval_proposal(branch, day(0), state_of(b"a"))


def test_runs_of_later_intervals_are_known(daily):
    files = played(proposed(played(proposed(daily, day(0), b"a")), day(1), b"b"))
    assert newer_runs(Snapshot(files), day(0)) == {stands(files, day(1)).run}
    assert newer_runs(Snapshot(files), day(1)) == set()


BASE = played(recurring(TREE))


@settings(max_examples=8, deadline=None)
@given(st.lists(st.sampled_from([b"a", b"b", b"c"]), min_size=1, max_size=6))
def test_every_interval_ends_and_each_content_trains_once(contents):
    files = BASE
    for number, content in enumerate(contents):
        files = played(proposed(files, day(number), content))
    assert trainings(files) == len(set(contents))
    assert {stands(files, day(n)).state for n in range(len(contents))} == {State.SUCCEEDED}
