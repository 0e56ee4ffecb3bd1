import pytest
from ml_pipeline.commands.difference import as_data, text
from ml_pipeline.operations.diff import Difference
from ml_pipeline.rules.review.consequence import Consequence
from ml_pipeline.rules.review.diff import ABSENT, FieldChange, ObjectChange

TRAINS = Consequence("trains", "trains a/0123456789", "experiments/a/experiment.yaml")
MEMORY = FieldChange(("spec", "memory"), "2Gi", "3Gi")
JOB = ObjectChange("replace", "Job", "local-training", "a-1", (MEMORY,), was="a-0")


def test_nothing_is_said():
    assert text(Difference()) == "nothing changes"


def test_objects_come_after_an_empty_line():
    assert text(Difference((TRAINS,), (JOB,))).splitlines() == [
        "trains a/0123456789",
        "",
        "~ Job local-training/a-1, was a-0",
        "    spec.memory: 2Gi -> 3Gi",
    ]


def test_objects_alone_begin_at_once():
    assert text(Difference((), (JOB,))).startswith("~ Job")


def test_created_object_is_whole_for_programs():
    change = ObjectChange("create", "Job", "x", "a", content={"kind": "Job"})
    (data,) = as_data(Difference((), (change,)))["objects"]
    assert list(data) == ["action", "kind", "namespace", "name", "content", "fields"]
    assert data["content"] == {"kind": "Job"}


@pytest.mark.parametrize(
    ("before", "after", "sides"),
    [
        (ABSENT, 1, {"after": 1}),
        (1, ABSENT, {"before": 1}),
        (None, 1, {"before": None, "after": 1}),
    ],
)
def test_value_that_is_not_there_is_left_out_and_null_is_not(before, after, sides):
    change = ObjectChange("change", "Job", "x", "a", (FieldChange(("a", "b"), before, after),))
    (data,) = as_data(Difference((), (change,)))["objects"]
    assert data["fields"] == [{"key": "a.b", **sides}]
