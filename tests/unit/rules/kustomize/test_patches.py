"""Merging and patching by themselves; test_build.py holds them against Kustomize."""

import copy

import pytest
from ml_pipeline.rules.kustomize.objects import NotCoveredError
from ml_pipeline.rules.kustomize.patches import json_patched, merged, selected

JOB = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "train", "labels": {"a": "b"}, "annotations": {"t": "1"}},
    "spec": {
        "containers": [{"name": "one", "args": ["a"]}, {"name": "two"}],
        "volumes": [{"name": "v", "emptyDir": {}}],
    },
}


def spec(change: dict, api: str = "batch/v1") -> dict:
    return merged({**JOB, "apiVersion": api}, {"spec": change})["spec"]


def patched(*operations: dict) -> dict:
    return json_patched(JOB, operations)


def operation(op: str, path: str, value=None) -> dict:
    return {"op": op, "path": path, "value": value}


def test_items_with_a_key_are_merged_and_come_first():
    found = spec({"containers": [{"name": "two", "image": "x"}]})
    assert found["containers"] == [{"name": "two", "image": "x"}, {"name": "one", "args": ["a"]}]


def test_lists_without_a_key_are_replaced():
    assert spec({"containers": [{"name": "one", "args": ["b", "c"]}]})["containers"][0]["args"] == [
        "b",
        "c",
    ]


def test_lists_of_other_kinds_are_replaced():
    assert spec({"containers": [{"name": "two"}]}, "machinelearning.seldon.io/v1")[
        "containers"
    ] == [{"name": "two"}]


def test_null_removes():
    assert "volumes" not in spec({"volumes": None})


def test_new_mapping_is_added():
    assert spec({"new": {"a": {"b": 1}}})["new"] == {"a": {"b": 1}}


@pytest.mark.parametrize(
    "change",
    [
        {"$patch": "delete"},
        {"ports": [{"containerPort": 1}]},
        {"containers": [{"image": "x"}]},
        {"containers": [{"name": "a"}, {"name": "a"}]},
        {"volumes": [{"name": "v", "secret": {}}]},
    ],
)
def test_unclear_merges_are_not_covered(change):
    thing = {**JOB, "spec": {**JOB["spec"], "ports": [{"containerPort": 2}]}}
    with pytest.raises(NotCoveredError):
        merged(thing, {"spec": change})


@pytest.mark.parametrize(
    ("found", "place", "value"),
    [
        (operation("replace", "/metadata/labels/a", "c"), ("metadata", "labels"), {"a": "c"}),
        (
            operation("add", "/metadata/labels/x~1y", "c"),
            ("metadata", "labels"),
            {"a": "b", "x/y": "c"},
        ),
        (
            operation("add", "/metadata/labels/x~0y", "c"),
            ("metadata", "labels"),
            {"a": "b", "x~y": "c"},
        ),
        (operation("remove", "/metadata/labels/a"), ("metadata", "labels"), {}),
        (operation("remove", "/spec/containers/0"), ("spec", "containers"), [{"name": "two"}]),
        (
            operation("add", "/spec/containers/0/args/-", "z"),
            ("spec", "containers"),
            [{"name": "one", "args": ["a", "z"]}, {"name": "two"}],
        ),
        (
            operation("add", "/spec/containers/0/args/0", "z"),
            ("spec", "containers"),
            [{"name": "one", "args": ["z", "a"]}, {"name": "two"}],
        ),
        (
            operation("replace", "/spec/containers/1", {}),
            ("spec", "containers"),
            [{"name": "one", "args": ["a"]}, {}],
        ),
    ],
)
def test_operations_do_what_they_say(found, place, value):
    thing = patched(found)
    for key in place:
        thing = thing[key]
    assert thing == value


@pytest.mark.parametrize(
    "found",
    [
        operation("test", "/metadata/name", "train"),
        operation("move", "/metadata/name"),
        operation("replace", "/metadata/gone", 1),
        operation("add", "/gone/deeper", 1),
        operation("remove", "/spec/containers/2"),
        operation("add", "/spec/containers/9", {}),
        operation("replace", "/spec/containers/x", {}),
        operation("replace", "/metadata/name/deeper", 1),
        operation("replace", "", {}),
    ],
)
def test_unclear_operations_are_not_covered(found):
    with pytest.raises(NotCoveredError):
        patched(found)


def test_nothing_is_changed_in_place():
    before = copy.deepcopy(JOB)
    merged(
        JOB,
        {
            "metadata": {"labels": {"x": "y"}},
            "spec": {"containers": [{"name": "one", "image": "i"}]},
        },
    )
    patched(operation("remove", "/spec/containers/0"), operation("add", "/metadata/labels/z", "1"))
    assert before == JOB


@pytest.mark.parametrize(
    ("target", "hit"),
    [
        ({}, True),
        ({"kind": "Job"}, True),
        ({"kind": "J.*"}, True),
        ({"kind": "Jo"}, False),
        ({"kind": "Job", "name": "tr.*|other"}, True),
        ({"kind": "Job", "name": "rain"}, False),
        ({"group": "batch", "version": "v1"}, True),
        ({"group": "apps"}, False),
        ({"labelSelector": "a=b"}, True),
        ({"labelSelector": "a=c"}, False),
        ({"annotationSelector": "t=1"}, True),
        ({"annotationSelector": "u=1"}, False),
    ],
)
def test_targets_are_anchored_expressions(target, hit):
    assert selected(JOB, target) is hit
