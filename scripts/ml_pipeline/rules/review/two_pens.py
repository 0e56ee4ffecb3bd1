"""Automation's files say only what automation says: their structure, and that no person's commit writes them.

Receipts, verdicts and rollouts are written by `reconcile` and `promote`. A person may remove one, and may put back what automation
itself had written there: that is what `git revert` does.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from ml_pipeline.documents.faults import Fault
from ml_pipeline.documents.snapshot import Files
from ml_pipeline.documents.writer import to_yaml
from ml_pipeline.layout import is_automations
from ml_pipeline.rules.identity.weights import WeightsPatch
from ml_pipeline.rules.kustomize.objects import NotCoveredError, parse_objects
from ml_pipeline.rules.render.serving import rollout_component

_ROLLOUT = re.compile(r"environments/[^/]+/rollouts/([^/]+)/([^/]+)\.yaml")
_ID = re.compile(r"[0-9a-f]{10}")
_COMPONENT = "kustomization"
_NOT_WRITTEN = "is not what automation writes; restore it from git"


def hand_written(
    before: Files, after: Files, changed: Iterable[str], restored: Collection[str]
) -> Iterator[Fault]:
    """Files of automation that a pull request adds or edits. `restored` are those whose content automation had written there
    before; a component that follows from the files beside it may come with them."""
    for path in sorted(filter(is_automations, changed)):
        if path not in after or before.get(path) == after[path] or path in restored:
            continue
        if after[path] == _component_beside(after, path):
            continue
        doing, repair = (
            ("edits", "restore it from git") if path in before else ("adds", "delete it")
        )
        text = f"is automation's file, and this {doing} it; {repair}, `reconcile` writes it"
        yield Fault(path, 1, "", text)


def rollout_faults(files: Files, asked: Collection[str]) -> Iterator[Fault]:
    """Everything in some files of rollouts/ that is neither a weight nor the removal of a predictor."""
    for path in sorted(asked):
        if path.split("/", 3)[2:3] != ["rollouts"] or not path.startswith("environments/"):
            continue
        name = _ROLLOUT.fullmatch(path)
        if name is None or not (name[2] == _COMPONENT or _ID.fullmatch(name[2])):
            yield Fault(path, 1, "", "is no file of automation; delete it")
        elif name[2] == _COMPONENT:
            if _plain(files[path]) != _plain(_component_beside(files, path) or b""):
                yield Fault(path, 1, "", _NOT_WRITTEN)
        else:
            yield from _weight_faults(path, files[path])


def _weight_faults(path: str, raw: bytes) -> Iterator[Fault]:
    patch = WeightsPatch.read(_plain(raw))
    if patch is None:
        yield Fault(path, 1, "", _NOT_WRITTEN)
    elif sum(patch.weights) != 100 or min(patch.weights) < 1:
        weights = list(patch.weights)
        text = f"weights {weights} must each be at least 1 and sum to 100; restore it from git"
        yield Fault(path, 1, "", text)


def _component_beside(files: Files, path: str) -> bytes | None:
    """What automation's component is with the files that lie beside it; None where the path is no component."""
    name = _ROLLOUT.fullmatch(path)
    if name is None or name[2] != _COMPONENT:
        return None
    folder = path.rpartition("/")[0]
    beside = (other for other in files if other.startswith(f"{folder}/") and other != path)
    targets = sorted(other.removeprefix(f"{folder}/").removesuffix(".yaml") for other in beside)
    return to_yaml(rollout_component(name[1], targets))


def _plain(raw: bytes) -> Any:
    """What a file holds; None where it is not one document, or uses what automation never writes, such as an alias."""
    try:
        found = parse_objects(raw, exact=False)
    except NotCoveredError:
        return None
    return found[0] if len(found) == 1 else None
