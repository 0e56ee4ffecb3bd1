import pytest
from ml_pipeline.documents.faults import InvalidDocumentsError
from ml_pipeline.documents.snapshot import Snapshot, load_snapshot
from ml_pipeline.layout import Served, rollout_path
from ml_pipeline.rules.identity.served import promotions_naming, serving_of, stable_run
from ml_pipeline.rules.render.serving import rollout_files

GOOD, BETTER = "good/31a4e76e1a", "better/c39d9a14b0"


def test_reached_weights_are_read_back(files):
    snapshot = load_snapshot(files)
    after = {
        **files,
        **rollout_files(snapshot, serving_of(snapshot, "local", "digits"), {GOOD: 50, BETTER: 50}),
    }
    assert serving_of(load_snapshot(after), "local", "digits").weights == {GOOD: 50, BETTER: 50}


def test_promotion_names_its_run_and_its_baseline_also_where_nobody_can_read_it(files):
    path = "environments/local/promotions/digits.yaml"
    for raw in (files[path], files[path] + b"x: ["):
        snapshot = Snapshot({**files, path: raw})
        for run in (GOOD, BETTER):
            assert promotions_naming(snapshot, run) == [Served("local", "digits")]
        assert promotions_naming(snapshot, "weak/e96261b1e3") == []


def test_stable_is_the_old_run_while_undecided(snapshot):
    assert stable_run(serving_of(snapshot, "local", "digits")) == GOOD


def test_stable_is_the_new_run_after_the_end(files):
    snapshot = load_snapshot(files)
    files |= rollout_files(snapshot, serving_of(snapshot, "local", "digits"), {BETTER: 100})
    assert stable_run(serving_of(load_snapshot(files), "local", "digits")) == BETTER


def test_model_that_is_not_promoted_has_no_state(snapshot):
    assert serving_of(snapshot, "staging", "digits") is None


@pytest.mark.parametrize(
    "raw", [b"[]", b"- &a x\n- *a\n", b"{", b"- {op: test, path: /, value: 1}\n"]
)
def test_file_that_does_not_fit_its_promotion_is_a_fault(files, snapshot, raw):
    serving = serving_of(snapshot, "local", "digits")
    path = rollout_path("local", "digits", serving.rollout)
    with pytest.raises(InvalidDocumentsError, match=r"does not fit promotions/digits\.yaml"):
        serving_of(load_snapshot({**files, path: raw}), "local", "digits")
