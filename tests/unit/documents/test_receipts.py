import pytest
from ml_pipeline.documents.receipts import Run
from ml_pipeline.rules.identity.hashes import run_identity
from pydantic import ValidationError


def test_receipts_of_the_past_still_have_their_identity(snapshot):
    runs = snapshot.runs.values()
    assert len(runs) == 4
    assert all(run_identity(run.decided_by) == run.identity for run in runs)


def test_a_receipt_does_not_change(snapshot):
    run = snapshot.runs_by_reference["good/31a4e76e1a"]
    with pytest.raises(ValidationError):
        run.outcome = "failed"


def test_unknown_keys_of_a_receipt_are_refused(snapshot):
    data = snapshot.runs_by_reference["good/31a4e76e1a"].model_dump()
    with pytest.raises(ValidationError):
        Run.model_validate({**data, "note": "edited"})
