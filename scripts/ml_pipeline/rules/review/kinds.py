"""What the API server takes of the kinds that may stand in people's own places: fields, names and
labels.

Flux applies on the server's side, which refuses a field that it does not know, and then nothing of
the whole place is applied. A test holds the fields to the models of the Kubernetes client.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ml_pipeline.documents.canonical import Location
from ml_pipeline.documents.escape import shown
from ml_pipeline.documents.nodes import dotted
from ml_pipeline.rules.kustomize.objects import Object

Problem = tuple[Location, str]
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_PART_OF_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_WORD = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


class Shape(Protocol):
    """What the API has at one place."""

    def problems(self, at: Location, value: Any) -> Iterator[Problem]:
        """Where a value is of another shape; null is as good as none."""
        ...


@dataclass(frozen=True)
class Scalar:
    """One value of some types."""

    types: tuple[type, ...]
    words: str

    def problems(self, at: Location, value: Any) -> Iterator[Problem]:
        """The value itself, which is not shown: it may be one of a Secret."""
        # By the type itself: in Python true is an int, and in the API it is none.
        if value is not None and type(value) not in self.types:
            yield at, f"{dotted(at)} must be {self.words}"


@dataclass(frozen=True)
class Items:
    """A list."""

    item: Shape

    def problems(self, at: Location, value: Any) -> Iterator[Problem]:
        """Those of each item."""
        if isinstance(value, list):
            for number, item in enumerate(value):
                yield from self.item.problems((*at, number), item)
        elif value is not None:
            yield at, f"{dotted(at)} must be a list; begin each item with '- '"


@dataclass(frozen=True)
class Values:
    """Keys that people choose, each with a value."""

    value: Shape

    def problems(self, at: Location, value: Any) -> Iterator[Problem]:
        """Those of each value."""
        if isinstance(value, Mapping):
            for key, child in value.items():
                yield from self.value.problems((*at, key), child)
        elif value is not None:
            yield at, f"{dotted(at)} must hold keys and values"


@dataclass(frozen=True)
class Fields:
    """Keys that the API has; what is below one with None is not looked at."""

    fields: Mapping[str, Shape | None]

    def problems(self, at: Location, value: Any) -> Iterator[Problem]:
        """Keys that it has not, and what is wrong below the others."""
        if isinstance(value, Mapping):
            for key, child in value.items():
                yield from self._child((*at, key), child)
        elif value is not None:
            yield at, f"{dotted(at)} must hold keys and values"

    def _child(self, at: Location, child: Any) -> Iterator[Problem]:
        if at[-1] not in self.fields:
            yield (
                at,
                f"{dotted(at)} is no field of the API; known are {', '.join(sorted(self.fields))}",
            )
            return
        shape = self.fields[str(at[-1])]
        if shape:
            yield from shape.problems(at, child)


_TEXT = Scalar((str,), "text; quote it")
_FLAG = Scalar((bool,), "true or false")
_NUMBER = Scalar((int,), "a whole number")
_PORT = Scalar((int, str), "a number or a name")
_QUANTITY = Scalar((int, float, str), "a quantity such as 500m or 2Gi")
_ANY = None  # nobody writes it, so it is not looked at
_TEXTS, _QUANTITIES = Values(_TEXT), Values(_QUANTITY)
_SELECTOR = Fields(
    {
        "matchLabels": _TEXTS,
        "matchExpressions": Items(
            Fields({"key": _TEXT, "operator": _TEXT, "values": Items(_TEXT)})
        ),
    }
)
_PORTS = Items(Fields({"port": _PORT, "endPort": _NUMBER, "protocol": _TEXT}))
_PEERS = Items(
    Fields(
        {
            "ipBlock": Fields({"cidr": _TEXT, "except": Items(_TEXT)}),
            "namespaceSelector": _SELECTOR,
            "podSelector": _SELECTOR,
        }
    )
)
_NETWORK_POLICY: dict[str, Shape] = {
    "podSelector": _SELECTOR,
    "policyTypes": Items(_TEXT),
    "ingress": Items(Fields({"from": _PEERS, "ports": _PORTS})),
    "egress": Items(Fields({"to": _PEERS, "ports": _PORTS})),
}
_RESOURCE_QUOTA: dict[str, Shape] = {
    "hard": _QUANTITIES,
    "scopes": Items(_TEXT),
    "scopeSelector": Fields(
        {
            "matchExpressions": Items(
                Fields({"operator": _TEXT, "scopeName": _TEXT, "values": Items(_TEXT)})
            )
        }
    ),
}
_LIMIT_RANGE: dict[str, Shape] = {
    "limits": Items(
        Fields(
            {
                "type": _TEXT,
                "default": _QUANTITIES,
                "defaultRequest": _QUANTITIES,
                "max": _QUANTITIES,
                "min": _QUANTITIES,
                "maxLimitRequestRatio": _QUANTITIES,
            }
        )
    )
}
_ORIGIN: dict[str, Shape] = {"apiGroup": _TEXT, "kind": _TEXT, "name": _TEXT}
_CLAIM: dict[str, Shape] = {
    "accessModes": Items(_TEXT),
    "dataSource": Fields(_ORIGIN),
    "dataSourceRef": Fields({**_ORIGIN, "namespace": _TEXT}),
    "resources": Fields({"limits": _QUANTITIES, "requests": _QUANTITIES}),
    "selector": _SELECTOR,
    "storageClassName": _TEXT,
    "volumeAttributesClassName": _TEXT,
    "volumeMode": _TEXT,
    "volumeName": _TEXT,
}
_METADATA = Fields(
    {
        "name": _TEXT,
        "namespace": _TEXT,
        "labels": _TEXTS,
        "annotations": _TEXTS,
        "creationTimestamp": _ANY,
        "deletionGracePeriodSeconds": _ANY,
        "deletionTimestamp": _ANY,
        "finalizers": Items(_TEXT),
        "generateName": _TEXT,
        "generation": _ANY,
        "managedFields": _ANY,
        "ownerReferences": _ANY,
        "resourceVersion": _ANY,
        "selfLink": _ANY,
        "uid": _ANY,
    }
)


def _kind(**fields: Shape | None) -> Fields:
    return Fields({"apiVersion": _TEXT, "kind": _TEXT, "metadata": _METADATA, **fields})


KINDS: Mapping[tuple[str, str], Fields] = {
    ("v1", "LimitRange"): _kind(spec=Fields(_LIMIT_RANGE)),
    ("v1", "PersistentVolumeClaim"): _kind(spec=Fields(_CLAIM), status=_ANY),
    ("v1", "ResourceQuota"): _kind(spec=Fields(_RESOURCE_QUOTA), status=_ANY),
    ("v1", "Secret"): _kind(data=_TEXTS, stringData=_TEXTS, type=_TEXT, immutable=_FLAG),
    ("networking.k8s.io/v1", "NetworkPolicy"): _kind(spec=Fields(_NETWORK_POLICY)),
}
"""What the ServiceAccount `platform` may apply in the namespaces of training and serving
(base/flux/access), without Kueue's queue."""


def refused(manifest: Object) -> Iterator[Problem]:
    """Where the API server refuses an object of one of these kinds, and why."""
    shape = KINDS[manifest["apiVersion"], manifest["kind"]]
    yield from shape.problems((), manifest)
    metadata = manifest["metadata"]
    name = metadata["name"]
    if not _is_domain(name):
        yield (
            ("metadata", "name"),
            f"{shown(name)} is no name in Kubernetes; use a-z, 0-9 and '-', at most 253",
        )
    yield from _marks(metadata)


def _marks(metadata: Object) -> Iterator[Problem]:
    """Labels and annotations that the API server does not take."""
    for part in ("labels", "annotations"):
        marks = metadata.get(part)
        if not isinstance(marks, dict):
            continue
        for key, value in marks.items():
            at = ("metadata", part, key)
            if not _is_key(key):
                yield (
                    at,
                    f"{shown(key)} is no key of a label; use [prefix.example.com/]name, "
                    "of letters, digits, '-', '_' and '.', at most 63",
                )
            if part == "labels" and isinstance(value, str) and value and not _WORD.fullmatch(value):
                yield (
                    at,
                    f"{shown(value)} is no value of a label; use letters, digits, '-', '_' and "
                    "'.', at most 63, or an annotation",
                )


def _is_key(key: str) -> bool:
    """Whether a key is a qualified name: `name`, or a domain before it."""
    prefix, slash, name = key.rpartition("/")
    if slash and not _is_domain(prefix):
        return False
    return bool(_WORD.fullmatch(name))


def _is_domain(name: str) -> bool:
    """Whether a name is one of a DNS subdomain, as objects and prefixes of labels have it."""
    return bool(_NAME.fullmatch(name)) and all(map(_PART_OF_NAME.fullmatch, name.split(".")))
