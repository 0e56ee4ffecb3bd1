import pytest
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.review.names import known_environments, name_faults

PATH = "experiments/digits/experiment.yaml"
SNAPSHOT = Snapshot({PATH: b"kind: Experiment\nname: letters\n"})


def test_name_that_is_its_folder_s_is_right():
    assert list(name_faults(SNAPSHOT, PATH, "digits")) == []


@pytest.mark.parametrize("name", ["letters", "Digits", "digits ", ""])
def test_other_name_is_told_at_its_line_with_both_names(name):
    (fault,) = name_faults(SNAPSHOT, PATH, name)
    assert str(fault) == (
        f"{PATH}:2: name: {name!r} differs from its folder 'digits'; make them the same"
    )


def test_environments_that_are_there_are_named_in_their_order():
    assert known_environments(["staging", "local"]) == "known are local, staging"


def test_tree_without_environments_says_how_to_have_one():
    assert known_environments([]) == ("there are none yet, add environments/<env>/environment.yaml")
