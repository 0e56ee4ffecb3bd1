import pytest
from ml_pipeline.documents.changes import Changes
from ml_pipeline.documents.faults import InvalidDocumentsError
from ml_pipeline.documents.snapshot import Snapshot, load_snapshot
from ml_pipeline.layout import is_generated


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


def test_snapshot_after_a_change_is_that_of_the_changed_tree(files, snapshot):
    _ = snapshot.runs, snapshot.data, snapshot.runs_by_reference, snapshot.experiments
    run = next(path for path in files if "/runs/" in path)
    copy = run.replace("/runs/", "/runs/0")
    write = {copy: files[run], "experiments/a/experiment.yaml": b"x: 1\n", "base/x.yaml": b""}
    after = snapshot.after(Changes(write, frozenset({run, "experiments/none/experiment.yaml"})))
    fresh = Snapshot({path: raw for path, raw in {**files, **write}.items() if path != run})
    assert after.files == fresh.files
    assert after.paths == fresh.paths
    for name in ("experiments", "environments", "promotions", "runs_by_reference", "verdicts"):
        assert list(getattr(after, name)) == list(getattr(fresh, name)), name
    assert sorted(after.runs) == sorted(fresh.runs)
    assert sorted(after.data) == sorted(fresh.data)


def test_snapshot_after_a_change_keeps_what_was_read(snapshot):
    path = "experiments/good/experiment.yaml"
    known = snapshot.document(path)
    assert snapshot.after(Changes({"experiments/a/experiment.yaml": b""})).document(path) is known
    changed = snapshot.after(Changes({path: snapshot.files[path].replace(b"seed:", b"seed: 1 #")}))
    assert changed.document(path) is not known
