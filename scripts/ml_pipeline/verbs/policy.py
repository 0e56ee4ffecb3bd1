"""`ml-pipeline policy`: what the API server would refuse, before the merge."""

from pathlib import Path

from ml_pipeline.adapters.files import open_tree
from ml_pipeline.adapters.kustomize import Overlays
from ml_pipeline.documents.faults import Fault
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.checks import checked
from ml_pipeline.rules.objects import Object
from ml_pipeline.rules.overlays import LABEL_EXPERIMENT, folder_of
from ml_pipeline.rules.policy import Denial, policies_of
from ml_pipeline.verbs import console


def policy(repo: Path, *, output: str = "text") -> int:
    """Evaluate the policies of base/platform/policies on everything that is rendered; 1 if an object would be refused."""
    faults, objects = policy_faults(checked(open_tree(repo)))
    lines = [console.coloured(str(fault), "red") for fault in faults]
    text = "\n".join(lines) or f"{objects} objects pass every policy"
    console.answer({"objects": objects, "faults": [str(fault) for fault in faults]}, text, output)
    return console.FINDINGS if faults else console.OK


def policy_faults(snapshot: Snapshot) -> tuple[list[Fault], int]:
    """What the API server would refuse of the rendered Jobs and deployments, and how many objects were looked at.

    Raises:
        PipelineError: a policy cannot be evaluated here.
        InvalidDocumentsError: a folder does not build.
    """
    faults: list[Fault] = []
    objects = 0
    folders = sorted(
        {
            folder
            for path in snapshot.files
            if (folder := folder_of(path)) and folder.count("/") == 3
        }
    )
    policies = {
        name: policies_of(snapshot.files, environment)
        for name, environment in snapshot.environments.items()
    }
    with Overlays(snapshot.files) as overlays:
        for folder in folders:
            environment = folder.split("/")[1]
            for thing in overlays.objects(folder) if environment in policies else ():
                objects += 1
                faults += [
                    _fault(snapshot, folder, thing, denial)
                    for denial in policies[environment].denials(thing)
                ]
    return sorted(faults), objects


def _fault(snapshot: Snapshot, folder: str, thing: Object, denial: Denial) -> Fault:
    """Where a person can repair it: the document that the object is rendered from, at the key that the message names."""
    environment, part, name = folder.split("/")[1:]
    experiment = thing["metadata"].get("labels", {}).get(LABEL_EXPERIMENT, name)
    path = (
        f"environments/{environment}/promotions/{name}.yaml"
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
        else Fault(path if source else f"{folder}/kustomization.yaml", 1, "", text)
    )
