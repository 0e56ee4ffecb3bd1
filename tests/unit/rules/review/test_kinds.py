"""The fields of kinds are those of the Kubernetes client, and what the API server refuses is found."""

import re

import pytest
from kubernetes.client import models
from ml_pipeline.rules.review.kinds import KINDS, Fields, Items, Scalar, Values, refused

GOOD = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "open.2", "labels": {"example.com/team": "a_B.c", "empty": ""}},
    "spec": {
        "podSelector": {},
        "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"port": 443}]}],
    },
}


def differences(shape, kind: str) -> list[str]:
    """Where a shape is not what the client says of a type, such as `dict(str, V1LabelSelector)`."""
    many = re.fullmatch(r"(list|dict)[\[(](?:str, )?(.+)[\])]", kind)
    if isinstance(shape, Items | Values):
        if not many or isinstance(shape, Items) != (many[1] == "list"):
            return [f"{shape} {kind}"]
        return differences(shape.item if isinstance(shape, Items) else shape.value, many[2])
    if shape is None:
        return []
    if isinstance(shape, Scalar):
        return [] if kind in ("object", "str", "int", "bool") else [kind]
    model = getattr(models, kind)
    types = {model.attribute_map[name]: of for name, of in model.openapi_types.items()}
    found = sorted(types.keys() ^ shape.fields.keys())
    for field in types.keys() & shape.fields.keys():
        found += differences(shape.fields[field], types[field])
    return found


@pytest.mark.parametrize("key", KINDS, ids=lambda key: key[1])
def test_fields_are_those_of_the_client(key):
    assert isinstance(KINDS[key], Fields)
    assert differences(KINDS[key], f"V1{key[1]}") == []


def test_what_the_api_server_takes_is_no_problem():
    assert list(refused(GOOD)) == []
    claim = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": 5.5}}}
    kept = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "a"}}
    assert list(refused({**kept, "spec": claim})) == []


@pytest.mark.parametrize(
    ("change", "at", "text"),
    [
        ({"metadata": {"name": "Open"}}, "metadata.name", "'Open' is no name in Kubernetes"),
        ({"metadata": {"name": "a..b"}}, "metadata.name", "'a..b' is no name in Kubernetes"),
        ({"metadata": {"name": "a" * 254}}, "metadata.name", "is no name in Kubernetes"),
        (
            {"metadata": {"name": "a", "labels": {"a b": "c"}}},
            "metadata.labels.a b",
            "'a b' is no key of a label",
        ),
        (
            {"metadata": {"name": "a", "labels": {"a/b/c": "c"}}},
            "metadata.labels.a/b/c",
            "'a/b/c' is no key",
        ),
        (
            {"metadata": {"name": "a", "labels": {"a": "b c"}}},
            "metadata.labels.a",
            "'b c' is no value of a label",
        ),
        (
            {"metadata": {"name": "a", "labels": {"a": True}}},
            "metadata.labels.a",
            "must be text; quote it",
        ),
        (
            {"metadata": {"name": "a", "annotations": {"-a": "b c"}}},
            "metadata.annotations.-a",
            "'-a' is no key",
        ),
        ({"metadata": {"name": "a", "label": {}}}, "metadata.label", "is no field of the API"),
        ({"specs": {}}, "specs", "is no field of the API; known are apiVersion, kind, metadata"),
        ({"spec": {"egres": []}}, "spec.egres", "is no field of the API; known are egress"),
        ({"spec": {"egress": {}}}, "spec.egress", "must be a list; begin each item with '- '"),
        ({"spec": []}, "spec", "must hold keys and values"),
        (
            {"spec": {"egress": [{"ports": [{"port": 1, "endPort": "2"}]}]}},
            "spec.egress.0.ports.0.endPort",
            "must be a whole number",
        ),
        (
            {"spec": {"podSelector": {"matchLabels": {"a": 1}}}},
            "spec.podSelector.matchLabels.a",
            "must be text",
        ),
    ],
)
def test_what_it_refuses_is_found_where_it_stands(change, at, text):
    ((place, said),) = refused({**GOOD, **change})
    assert ".".join(map(str, place)) == at
    assert text in said
