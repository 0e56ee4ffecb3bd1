"""`ml-pipeline policy`: what the API server would refuse, before the merge."""

from collections.abc import Collection
from pathlib import Path

from ml_pipeline.adapters.git.revisions import open_tree
from ml_pipeline.adapters.kustomize import Overlays
from ml_pipeline.commands import console
from ml_pipeline.documents.faults import Fault
from ml_pipeline.documents.snapshot import Files, Snapshot
from ml_pipeline.layout import own_place, promotion_path
from ml_pipeline.rules.kustomize.kustomizations import has_kustomization, units
from ml_pipeline.rules.kustomize.objects import Object
from ml_pipeline.rules.render.overlays import LABEL_EXPERIMENT
from ml_pipeline.rules.render.platform import applier
from ml_pipeline.rules.review.faults import checked_snapshot
from ml_pipeline.rules.review.own_places import own_place_faults, own_places
from ml_pipeline.rules.review.policies import Denial, policies_of


def policy(repo: Path, *, output: str = "text") -> int:
    """Evaluate the policies of base/platform/policies on everything that is rendered; 1 if an object would be refused."""
    snapshot = checked_snapshot(open_tree(repo))
    with Overlays(snapshot.files) as overlays:
        faults, objects = policy_faults(snapshot, overlays)
    lines = [console.coloured(str(fault), "red") for fault in faults]
    text = "\n".join(lines) or f"{objects} objects pass every policy"
    console.answer({"objects": objects, "faults": [str(fault) for fault in faults]}, text, output)
    return console.FINDINGS if faults else console.OK


def policy_faults(
    snapshot: Snapshot, overlays: Overlays, asked: Collection[str] | None = None
) -> tuple[list[Fault], int]:
    """What the API server would refuse of what Flux builds, what may not stand in people's own places, and how many objects
    were looked at; with `asked`, of those builds alone.

    Raises:
        PipelineError: a policy cannot be evaluated here.
        InvalidDocumentsError: a folder does not build.
    """
    faults: list[Fault] = []
    objects = 0
    judged = _judged(snapshot.files, asked)
    concerned = {unit.split("/")[1] for unit in judged}
    policies = {
        name: policies_of(snapshot, environment)
        for name, environment in snapshot.environments.items()
        if asked is None or name in concerned
    }
    for unit in judged:
        name = unit.split("/")[1]
        built = overlays.objects(unit) if name in policies else []
        objects += len(built)
        if own_place(f"{unit}/"):
            faults += own_place_faults(snapshot.environments[name], unit, built)
        faults += [
            _fault(snapshot, unit, thing, denial)
            for thing in built
            for denial in policies[name].denials(thing, _applier(snapshot, unit))
        ]
    return sorted(faults), objects


def _judged(files: Files, asked: Collection[str] | None) -> list[str]:
    """Everything that Flux builds of training and serving, and what people keep in places of their own."""
    if asked is not None:
        return sorted(unit for unit in asked if _is_judged(files, unit))
    inside = (path for path in files if path.split("/", 3)[2:3] in (["training"], ["serving"]))
    return sorted({*units(files, inside), *own_places(files)})


def _is_judged(files: Files, unit: str) -> bool:
    if unit.split("/")[2] in ("training", "serving"):
        return True
    return own_place(f"{unit}/") == unit and has_kustomization(files, unit)


def _applier(snapshot: Snapshot, unit: str) -> str:
    _, name, part, *_ = unit.split("/")
    return applier(snapshot.environments[name], part)


def _fault(snapshot: Snapshot, unit: str, thing: Object, denial: Denial) -> Fault:
    """Where a person can repair it: the document that the object is rendered from, at the key that the message names."""
    environment, part, name = (*unit.split("/")[1:], "")[:3]
    experiment = (thing["metadata"].get("labels") or {}).get(LABEL_EXPERIMENT, name)
    path = (
        promotion_path(environment, name)
        if part == "serving"
        else f"experiments/{experiment}/experiment.yaml"
    )
    if "environment.yaml" in denial.message:
        path = f"environments/{environment}/environment.yaml"
    source = snapshot.source(path)
    words = [word.strip(".,;:'") for word in denial.message.split()]
    key = next(
        (word for word in reversed(words) if source and tuple(word.split(".")) in source.lines), ""
    )
    text = f"{thing['kind']} {thing['metadata']['name']}: {denial.message} (policy {denial.policy})"
    return (
        source.fault(key, text)
        if source and key
        else Fault(path if source else _place(snapshot.files, unit), 1, "", text)
    )


def _place(files: Files, unit: str) -> str:
    return unit if unit in files else f"{unit}/kustomization.yaml"
