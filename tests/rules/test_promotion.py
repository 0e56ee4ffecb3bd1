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
