import pytest
from hypothesis import given
from hypothesis import strategies as st
from ml_pipeline.rules.review.diff import ABSENT, object_changes


def thing(name: str = "j", **spec) -> dict:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": "t"},
        "spec": spec,
    }


def fields(before: dict, after: dict) -> list[tuple]:
    (change,) = object_changes([before], [after])
    return [(f.key, f.before, f.after) for f in change.fields]


def test_same_objects_in_another_order_change_nothing():
    assert object_changes([thing("a"), thing("b", x=1)], [thing("b", x=1), thing("a")]) == []


def test_objects_come_and_go():
    changes = object_changes([thing("old")], [thing("new")])
    assert [(c.action, c.title) for c in changes] == [
        ("create", "Job t/new"),
        ("delete", "Job t/old"),
    ]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": 1}, {"a": 2}, [("spec.a", 1, 2)]),
        ({"a": 1}, {}, [("spec.a", 1, ABSENT)]),
        ({}, {"a": 1}, [("spec.a", ABSENT, 1)]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 3, "b": 1}}, [("spec.a.c", 2, 3)]),
        ({"a": [1, 2]}, {"a": [2, 1]}, [("spec.a", [1, 2], [2, 1])]),
        ({"a": [{"b": 1}, {"b": 2}]}, {"a": [{"b": 1}, {"b": 3}]}, [("spec.a[1].b", 2, 3)]),
    ],
)
def test_leaves_that_differ_are_named(before, after, expected):
    assert fields(thing(**before), thing(**after)) == expected


def test_lists_of_named_items_are_compared_by_name():
    before = thing(env=[{"name": "A", "value": "1"}, {"name": "B", "value": "2"}])
    after = thing(env=[{"name": "B", "value": "3"}, {"name": "A", "value": "1"}])
    assert fields(before, after) == [("spec.env[B].value", "2", "3")]


def test_item_that_leaves_a_named_list_is_named():
    (change,) = object_changes(
        [thing(env=[{"name": "A"}, {"name": "B"}])], [thing(env=[{"name": "A"}])]
    )
    assert [f.key for f in change.fields] == ["spec.env[B]"]


values = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(
    st.dictionaries(st.text(max_size=3), values, max_size=4),
    st.dictionaries(st.text(max_size=3), values, max_size=4),
)
def test_there_is_a_change_just_where_objects_differ(before, after):
    assert bool(object_changes([thing(x=before)], [thing(x=after)])) == (before != after)


def secret(**data: str) -> dict:
    metadata = {"name": "login", "namespace": "training"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}


def test_values_of_a_secret_are_never_shown():
    (created,) = object_changes([], [secret(password="hunter2")])
    assert created.content["data"] == {"password": "(hidden)"}
    old, new = secret(password="hunter2", gone="a"), secret(password="hunter3", user="ada")
    (changed,) = object_changes([old], [new])
    assert [(field.key, field.before, field.after) for field in changed.fields] == [
        ("data.gone", "(hidden)", ABSENT),
        ("data.password", "(hidden)", "(hidden)"),
        ("data.user", ABSENT, "(hidden)"),
    ]
    bare = {key: value for key, value in new.items() if key != "data"}
    (emptied,) = object_changes([new], [bare])
    assert emptied.fields[0].before == {"password": "(hidden)", "user": "(hidden)"}
