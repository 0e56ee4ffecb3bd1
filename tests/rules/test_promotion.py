import pytest
from ml_pipeline.documents.faults import InvalidDocumentsError
from ml_pipeline.documents.promotion import Rollout
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.rules.promotion import promotion_changes
from ml_pipeline.rules.render import applied, drift


def test_document_and_overlay_are_one_change(snapshot, files):
    changes, message = promotion_changes(
        snapshot, snapshot.runs_by_reference["good/31a4e76e1a"], "local", Rollout()
    )
    assert "environments/local/promotions/digits.yaml" in changes.write
    assert message.startswith("Promote digits to good/31a4e76e1a in local\n\n")
    after = load_snapshot(applied(files, changes))
    assert not any("/serving/" in path for path in drift(after).write)


def test_what_is_promoted_already_changes_nothing(snapshot):
    assert (
        promotion_changes(
            snapshot, snapshot.runs_by_reference["better/c39d9a14b0"], "local", Rollout()
        )[0].write
        == {}
    )


def test_run_that_failed_a_gate_is_refused(snapshot):
    with pytest.raises(InvalidDocumentsError, match="fails its gate"):
        promotion_changes(
            snapshot, snapshot.runs_by_reference["weak/e96261b1e3"], "local", Rollout()
        )


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
    return load_snapshot(good_serves(with_other_signature(files)))


def test_run_with_another_signature_is_refused(changed):
    run = changed.runs_by_reference["better/c39d9a14b0"]
    with pytest.raises(InvalidDocumentsError, match=r"takes float32 \[-1, 64\], its baseline"):
        promotion_changes(changed, run, "local", Rollout())


def test_run_with_another_signature_is_promoted_where_the_person_says_so(changed, files):
    run = changed.runs_by_reference["better/c39d9a14b0"]
    changes, _ = promotion_changes(changed, run, "local", Rollout(), accept_signature_change=True)
    path = "environments/local/promotions/digits.yaml"
    assert b"accept_signature_change: true" in changes.write[path]


def test_nothing_is_refused_where_a_receipt_does_not_say(files):
    path = "experiments/good/runs/31a4e76e1a.yaml"
    lines = files[path].decode().split("signature:\n  inputs")
    silent = lines[0] + "started" + lines[1].partition("started")[2]
    snapshot = load_snapshot({**good_serves(with_other_signature(files)), path: silent.encode()})
    run = snapshot.runs_by_reference["better/c39d9a14b0"]
    assert promotion_changes(snapshot, run, "local", Rollout())[0].write
