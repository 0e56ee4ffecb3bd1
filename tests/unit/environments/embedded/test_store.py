import pytest
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.environments.embedded.store import lacking, lacking_for, lacking_model

from tests.support.simulate import settle

DATA = "experiments/better/data/216b187a78.yaml"


@pytest.fixture
def state(tmp_path) -> State:
    return State(tmp_path)


def hold(state, snapshot) -> None:
    """Put the bytes of every receipt into the store of this machine."""
    for receipt in [*snapshot.data.values(), *snapshot.runs.values()]:
        stored = getattr(receipt, "data", None) or getattr(receipt, "artifact", None)
        if stored:
            path = state.volume("artifacts") / stored.uri
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")


def test_nothing_is_lacking_where_the_bytes_are(state, snapshot):
    hold(state, snapshot)
    assert lacking(state, snapshot, "local") == []


def test_receipts_of_another_machine_are_named_with_the_command(state, snapshot):
    lines = lacking(state, snapshot, "local")
    assert lines[0] == (
        "better/c39d9a14b0 is trained, but its model is not on this machine; "
        "`ml-pipeline rollback digits --env local` until no promotion names it, then "
        "`ml-pipeline withdraw better/c39d9a14b0` trains it here"
    )
    assert lines[-1] == (
        "weak/e96261b1e3 is trained, but its model is not on this machine; "
        "`ml-pipeline withdraw weak/e96261b1e3` trains it here"
    )
    assert (
        f"data 216b187a78 of waiting is prepared, but it is not on this machine; `ml-pipeline withdraw {DATA}` prepares it here"
        in lines
    )
    assert not [line for line in lines if "broken" in line]


def test_settled_experiment_needs_no_data(state, files):
    snapshot = load_snapshot(settle(files))
    hold(state, snapshot)
    (state.volume("artifacts") / "data/x.npz").unlink()
    assert lacking(state, snapshot, "local") == []


def test_bytes_of_a_cluster_need_not_be_here(state, files):
    path = "experiments/better/runs/c39d9a14b0.yaml"
    files[path] = files[path].replace(b"environment: local", b"environment: staging")
    snapshot = load_snapshot(files)
    assert lacking_model(state, snapshot, snapshot.runs_by_reference["better/c39d9a14b0"]) == ""


def test_bytes_in_a_bucket_need_not_be_here(state, files):
    path = "environments/local/environment.yaml"
    files[path] = files[path].replace(b"file:///artifacts, claim: artifacts", b"s3://bucket")
    snapshot = load_snapshot(files)
    assert lacking_for(state, snapshot, snapshot.experiments["waiting"]) == ""
