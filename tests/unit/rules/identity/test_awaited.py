"""What an experiment waits for, as receipts come and go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.identity.awaited import (
    awaited_identity,
    is_reachable,
    run_identity_of,
    run_inputs_of,
    settled_by,
)
from ml_pipeline.rules.identity.hashes import data_identity

from tests.conftest import FIXTURES, folder
from tests.support.simulate import moved, settle

DATA = "experiments/better/data/216b187a78.yaml"
GOOD = "experiments/good/runs/31a4e76e1a.yaml"
STAGING = "environments/staging/environment.yaml"
DOCUMENTS = {
    path: raw
    for path, raw in folder(FIXTURES / "valid").items()
    if path.startswith("experiments/") or path.endswith("/environment.yaml")
}
RECEIPTS = sorted(path for path in DOCUMENTS if "/runs/" in path or "/data/" in path)


def without(files, *paths) -> Snapshot:
    return Snapshot({path: raw for path, raw in files.items() if path not in paths})


def with_failed_data(files) -> Snapshot:
    head = files[DATA].decode().partition("data:\n")[0]
    return Snapshot({**files, DATA: f"{head}data: null\nreason: exit code 42\n".encode()})


def test_data_comes_first(files):
    snapshot = without(files, DATA)
    experiment = snapshot.experiments["waiting"]
    assert awaited_identity(snapshot, experiment) == data_identity(experiment)
    assert run_inputs_of(snapshot, experiment) is None


def test_run_comes_once_its_data_is_there(snapshot):
    experiment = snapshot.experiments["waiting"]
    assert awaited_identity(snapshot, experiment) == run_identity_of(snapshot, experiment)
    assert settled_by(snapshot, experiment) is None


def test_run_is_decided_by_the_data_that_was_prepared(files, snapshot):
    other = Snapshot({**files, DATA: files[DATA].replace(b"c" * 64, b"e" * 64)})
    old, new = (run_identity_of(side, side.experiments["good"]) for side in (snapshot, other))
    assert old != new
    assert awaited_identity(other, other.experiments["good"]) == new


def test_receipt_of_the_run_settles(snapshot):
    experiment = snapshot.experiments["good"]
    assert awaited_identity(snapshot, experiment) is None
    assert settled_by(snapshot, experiment) == snapshot.document(GOOD)


def test_failed_run_settles_too(snapshot):
    experiment = snapshot.experiments["broken"]
    assert awaited_identity(snapshot, experiment) is None
    assert settled_by(snapshot, experiment).outcome == "failed"


def test_data_that_failed_leaves_nothing_to_wait_for(files):
    snapshot = with_failed_data(files)
    experiment = snapshot.experiments["waiting"]
    assert awaited_identity(snapshot, experiment) is None
    assert settled_by(snapshot, experiment) is None


@given(st.sets(st.sampled_from(RECEIPTS)))
def test_nothing_but_a_receipt_ends_the_waiting(gone):
    snapshot = without(DOCUMENTS, *gone)
    for experiment in snapshot.experiments.values():
        receipt = settled_by(snapshot, experiment)
        assert (awaited_identity(snapshot, experiment) is None) == (receipt is not None)
        if receipt:
            assert receipt.identity == run_identity_of(snapshot, experiment)


def test_run_is_trained_again_where_its_model_cannot_be_reached(files):
    """Its receipt gets a name beside the one from where it has moved from."""
    here = Snapshot(settle(files))
    there = Snapshot(moved(settle(files)))
    first = settled_by(here, here.experiments["waiting"])
    again = run_inputs_of(there, there.experiments["waiting"])
    assert again.environment == "staging"
    assert first.decided_by == again.model_copy(update={"environment": None})
    assert awaited_identity(there, there.experiments["waiting"]) not in (None, first.identity)


def test_run_of_where_models_come_from_is_not_trained_again(files):
    promoting = files[STAGING] + b"promotes_from: [local]\n"
    snapshot = Snapshot(moved(settle({**files, STAGING: promoting})))
    experiment = snapshot.experiments["waiting"]
    assert awaited_identity(snapshot, experiment) is None
    assert settled_by(snapshot, experiment).environment == "local"


def test_receipt_of_another_experiment_elsewhere_is_no_reason_for_another_identity(files):
    """This one has never trained it: nothing of it lies where it cannot be reached."""
    tree = moved(settle(files))
    (receipt,) = (path for path in tree if path.startswith("experiments/waiting/runs/"))
    others = tree[receipt].replace(b"experiment: waiting", b"experiment: twin")
    snapshot = without(tree | {receipt.replace("waiting", "twin"): others}, receipt)
    experiment = snapshot.experiments["waiting"]
    assert run_inputs_of(snapshot, experiment).environment is None
    assert awaited_identity(snapshot, experiment) == run_identity_of(snapshot, experiment)


@pytest.mark.parametrize(
    ("trained", "promotes_from", "reachable"),
    [
        ("staging", "[]", True),
        ("local", "[local]", True),
        ("local", "[]", False),
        ("nowhere", "[local]", False),
    ],
)
def test_model_is_reached_where_it_was_trained_and_from_where_it_is_promoted(
    files, trained, promotes_from, reachable
):
    facts = files[STAGING] + f"promotes_from: {promotes_from}\n".encode()
    snapshot = Snapshot({**moved(files), STAGING: facts})
    receipt = snapshot.document(GOOD).model_copy(update={"environment": trained})
    assert is_reachable(snapshot, receipt, snapshot.experiments["waiting"]) is reachable
