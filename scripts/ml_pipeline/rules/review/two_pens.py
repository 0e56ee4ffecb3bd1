"""Automation's files say only what automation says: their structure, and that no person's commit
writes them.

Receipts, verdicts and rollouts are written by `reconcile` and `promote`. A person may remove one,
and may put back what automation itself had written there: that is what `git revert` does.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from ml_pipeline.documents.faults import Fault
from ml_pipeline.documents.snapshot import Files
from ml_pipeline.documents.writer import to_yaml
from ml_pipeline.layout import folder_of, is_automations, part_of, rollout_of
from ml_pipeline.rules.identity.weights import WeightsPatch
from ml_pipeline.rules.kustomize.objects import NotCoveredError, parse_objects
from ml_pipeline.rules.render.serving import rollout_component

_ID = re.compile(r"[0-9a-f]{10}")
_COMPONENT = "kustomization"
_NOT_WRITTEN = "is not what automation writes; restore it from git"


def hand_written(
    before: Files, after: Files, changed: Iterable[str], made_here: Mapping[str, str]
) -> Iterator[Fault]:
    """Files of automation that a pull request adds or edits, but for those that hold what automation
    had written there before, which the caller leaves out.

    A component that follows from the files beside it may come with them. `made_here` has the branch
    of this machine's environment by the files that it holds just so: no forgeries, and still none
    that another branch takes from a person.
    """
    for path in sorted(filter(is_automations, changed)):
        if path not in after or before.get(path) == after[path]:
            continue
        if after[path] == _component_beside(after, path):
            continue
        if path in made_here:
            yield Fault(path, 1, "", _of_this_machine(made_here[path]))
            continue
        doing, repair = "adds", "delete it"
        if path in before:
            doing, repair = "edits", "restore it from git"
        text = f"is automation's file, and this {doing} it; {repair}, `reconcile` writes it"
        yield Fault(path, 1, "", text)


def _of_this_machine(branch: str) -> str:
    return (
        f"is what {branch} holds, and stays there; compare with --base {branch}, "
        "or begin a branch of what is to be shared, without it"
    )


def rollout_faults(files: Files, paths: Collection[str]) -> Iterator[Fault]:
    """Everything in some files of rollouts/ that is neither a weight nor the removal of a
    predictor."""
    for path in sorted(paths):
        if part_of(path) != "rollouts":
            continue
        rollout = rollout_of(path)
        if rollout is None or not (rollout.target == _COMPONENT or _ID.fullmatch(rollout.target)):
            yield Fault(path, 1, "", "is no file of automation; delete it")
        elif rollout.target == _COMPONENT:
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
    """What automation's component is with the files that lie beside it; None where the path is no
    component."""
    rollout = rollout_of(path)
    if rollout is None or rollout.target != _COMPONENT:
        return None
    folder = f"{folder_of(path)}/"
    beside = [other for other in files if other.startswith(folder) and other != path]
    targets = sorted(other.removeprefix(folder).removesuffix(".yaml") for other in beside)
    return to_yaml(rollout_component(rollout.model, targets))


def _plain(raw: bytes) -> Any:
    """What a file holds; None where it is not one document, or uses what automation never writes,
    such as an alias."""
    try:
        documents = parse_objects(raw, exact=False)
    except NotCoveredError:
        return None
    return documents[0] if len(documents) == 1 else None
