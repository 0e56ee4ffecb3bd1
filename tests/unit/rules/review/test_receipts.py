"""A receipt is what its name says, and nobody has edited it."""

import pytest
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.review.receipts import data_faults, run_faults, verdict_faults

from tests.conftest import FIXTURES, folder

VALID = Snapshot(folder(FIXTURES / "valid"))
RUN = "experiments/good/runs/31a4e76e1a.yaml"
DATA = "experiments/better/data/216b187a78.yaml"
VERDICT = "environments/local/verdicts/digits/0123456789.yaml"
NAMED = "must be the file's name and begin the identity"


def faults_of_run(path: str = RUN, **changed) -> list[str]:
    run = VALID.document(RUN).model_copy(update=changed)
    return [str(fault) for fault in run_faults(VALID, path, run)]


def faults_of_data(path: str = DATA, **changed) -> list[str]:
    data = VALID.document(DATA).model_copy(update=changed)
    return [str(fault) for fault in data_faults(VALID, path, data)]


def test_receipts_as_automation_has_written_them_have_no_fault():
    assert faults_of_run() == faults_of_data() == []


@pytest.mark.parametrize("path", ["experiments/good/runs/31a4e76e1b.yaml", DATA])
def test_receipt_under_another_name_is_told(path):
    (fault,) = faults_of_run(path)
    assert f"id: '31a4e76e1a' {NAMED}" in fault


def test_receipt_with_another_id_is_told_at_its_line():
    assert faults_of_run(id="0" * 10)[0].startswith(f"{RUN}:4: id: '0000000000' {NAMED}")
    assert faults_of_data(id="0" * 10)[0].startswith(f"{DATA}:4: id: '0000000000' {NAMED}")


def test_identity_whose_beginning_alone_is_right_is_no_hash():
    (fault,) = faults_of_run(identity="31a4e76e1a" + "0" * 54)
    assert "identity: '31a4e76e1a...' is not the hash of decided_by; " in fault


def test_data_is_held_to_its_name_alone():
    """What its identity is the hash of is no part of it."""
    assert faults_of_data(identity="216b187a78" + "0" * 54) == []
    assert NAMED in faults_of_data(identity="0" * 64)[0]


@pytest.mark.parametrize(
    "changed", [{"seed": 8}, {"data": "e" * 64}, {"environment": "staging"}, {"model_type": "cnn"}]
)
def test_whatever_decided_a_run_cannot_be_edited(changed):
    decided_by = VALID.document(RUN).decided_by.model_copy(update=changed)
    (fault,) = faults_of_run(decided_by=decided_by)
    assert fault.endswith("a receipt is never edited, restore it from git")


def test_what_came_of_a_run_is_no_part_of_its_identity():
    assert faults_of_run(metrics={}, outcome="failed", duration_s=0.0) == []


@pytest.mark.parametrize(("named", "count"), [("0123456789", 0), ("abcdefabcd", 1)])
def test_verdict_is_named_by_its_rollout(named, count):
    class Named:
        id = named

    faults = list(verdict_faults(VALID, VERDICT, Named()))
    assert len(faults) == count
    assert all("'abcdefabcd' differs from the file's name" in fault.text for fault in faults)
