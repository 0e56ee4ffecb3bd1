import pytest
from ml_pipeline.documents.escape import shown
from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.reader import kind_of, read

PATH = "experiments/waiting/experiment.yaml"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("experiments/a/experiment.yaml", "Experiment"),
        ("experiments/a/runs/0123456789.yaml", "Run"),
        ("experiments/a/data/0123456789.yaml", "DataVersion"),
        ("environments/local/environment.yaml", "Environment"),
        ("environments/local/promotions/digits.yaml", "Promotion"),
        ("environments/local/verdicts/digits/0123456789.yaml", "Verdict"),
    ],
)
def test_path_says_the_kind(path, kind):
    assert kind_of(path).__name__ == kind


def test_other_paths_hold_no_document():
    assert kind_of("experiments/a/b/c/d.yaml") is None


def test_valid_experiment_is_read(files):
    document, source = read(PATH, files[PATH])
    assert isinstance(document, Experiment)
    assert source.path == PATH


def test_all_faults_of_a_file_are_reported_at_once(files):
    raw = (
        files[PATH]
        .replace(b"epochs: 30", b"epochs: 0")
        .replace(b"vision", b"Vision")
        .replace(b"2Gi", b"2G")
    )
    assert len(read(PATH, raw)) == 3


def test_long_values_are_cut_in_messages():
    assert len(shown("x" * 500)) == 60


def test_a_file_full_of_faults_tells_the_first_hundred():
    raw = b"".join(b"k%d: 1\n" % number for number in range(500))
    faults = read("experiments/a/experiment.yaml", raw)
    assert len(faults) == 101
    assert any("has 409 more faults; mend these first" in str(fault) for fault in faults)


def test_a_list_longer_than_any_document_needs_is_one_fault():
    (fault,) = read("experiments/a/experiment.yaml", b"options: [" + b"1," * 10_001 + b"]")
    assert "options: has 10001 items, at most 10000 are read; shorten it" in str(fault)
