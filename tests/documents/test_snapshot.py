import pytest
from ml_pipeline.documents.faults import InvalidDocumentsError
from ml_pipeline.documents.snapshot import is_generated, load_snapshot


def test_documents_are_found_by_what_they_are(snapshot):
    assert list(snapshot.experiments) == ["better", "broken", "good", "waiting", "weak"]
    assert list(snapshot.promotions) == [("local", "digits")]


def test_runs_are_found_by_identity_and_by_reference(snapshot):
    run = snapshot.runs_by_reference["good/31a4e76e1a"]
    assert snapshot.runs[run.identity] is run


@pytest.mark.parametrize("part", ["training", "serving", "rollouts", "flux"])
def test_generated_files_are_not_documents(part):
    assert is_generated(f"environments/local/{part}/x/kustomization.yaml")


def test_faults_of_all_files_come_in_one_error(files):
    files |= {"experiments/a/experiment.yaml": b"", "experiments/b/experiment.yaml": b"- 1\n"}
    with pytest.raises(InvalidDocumentsError) as error:
        load_snapshot(files)
    assert {fault.path for fault in error.value.faults} == {
        "experiments/a/experiment.yaml",
        "experiments/b/experiment.yaml",
    }
