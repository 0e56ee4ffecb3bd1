"""From an experiment to the overlays of its Jobs: data first, training once that is there."""

import re
from collections.abc import Iterable
from typing import Any

from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.fields import seconds
from ml_pipeline.documents.receipts import DataVersion
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.layout import SHORT, job_stem
from ml_pipeline.rules.identity.awaited import awaited_identity
from ml_pipeline.rules.identity.hashes import data_identity
from ml_pipeline.rules.render.overlays import (
    LABEL_DATA,
    LABEL_EXPERIMENT,
    LABEL_RUN,
    Bases,
    environment_variables,
    kustomization,
    overlay,
    resources,
)
from ml_pipeline.rules.render.platform import pod_identity

DATA_RESOURCES = ("1", "1Gi")
DATA_SECONDS = 3600
# Two lines as the renderer writes them; parsing the whole of thousands of files to compare two
# names would take seconds.
_AFFIX = re.compile(rb"^name(Prefix|Suffix): '?([a-z0-9-]*)'?(?: +#.*)?$", re.MULTILINE)


def training_overlays(
    snapshot: Snapshot, names: Iterable[str] | None = None, bases: Bases | None = None
) -> dict[str, bytes]:
    """Overlays of all that is still to be done, or of what some experiments wait for."""
    rendered: dict[str, bytes] = {}
    claimed: set[tuple[str, str]] = set()
    bases = bases or Bases(snapshot.files)
    for name in snapshot.experiments if names is None else names:
        experiment = snapshot.experiments[name]
        environment = snapshot.environments[experiment.environment]
        identity = awaited_identity(snapshot, experiment)
        # A settled run has no overlay; what several ask for alike is made once.
        if identity is None or (environment.name, identity) in claimed:
            continue
        claimed.add((environment.name, identity))
        receipt = snapshot.data.get(data_identity(experiment))
        if receipt is None:
            rendered |= _data_overlay(bases, experiment, environment, identity)
        else:
            rendered |= _training_overlay(bases, experiment, environment, receipt, identity)
    return rendered


def job_name(kustomization: bytes) -> str:
    """Name of the Job that an overlay stands for, from its rendered kustomization."""
    affixes = {key.decode(): value.decode() for key, value in _AFFIX.findall(kustomization)}
    job = "train" if "Prefix" in affixes else "data"
    return f"{affixes.get('Prefix', '')}{job}{affixes.get('Suffix', '')}"


def is_data(kustomization: bytes) -> bool:
    """Whether an overlay prepares data, whatever its folder is called."""
    # Only the Job of a run is named after an experiment.
    return all(key != b"Prefix" for key, _ in _AFFIX.findall(kustomization))


def _data_overlay(
    bases: Bases, experiment: Experiment, environment: Environment, identity: str
) -> dict[str, bytes]:
    dataset = experiment.dataset
    arguments = ["prepare", f"--source={dataset.uri}", f"--holdout={dataset.holdout:g}"]
    if dataset.sha256:
        arguments.append(f"--sha256={dataset.sha256}")
    # Images from before the first change of preparation do not know the option.
    if dataset.preparation != 1:
        arguments.append(f"--preparation={dataset.preparation}")
    labels = {LABEL_DATA: identity[:SHORT]}
    container = {
        "name": "trainer",
        "image": f"{environment.images.trainer.repository}@{experiment.image}",
        "args": arguments,
        "env": environment_variables(
            environment, {"IDENTITY": identity, "IMAGE_DIGEST": experiment.image}
        ),
        "resources": resources(*DATA_RESOURCES),
    }
    patch = _job(
        "data",
        labels,
        {"containers": [container], **pod_identity(environment, "training")},
        DATA_SECONDS,
    )
    stem = job_stem(environment.name, "data", identity)
    return overlay(bases, stem, kustomization(environment, "data-job", ()), patch)


def _training_overlay(
    bases: Bases,
    experiment: Experiment,
    environment: Environment,
    data: DataVersion,
    identity: str,
) -> dict[str, bytes]:
    assert data.data is not None
    variables = {
        "IDENTITY": identity,
        "IMAGE_DIGEST": experiment.image,
        "DATA_URI": f"{environment.artifacts.uri}/{data.data.uri}",
        "DATA_SHA256": data.data.sha256,
    }
    labels = {
        LABEL_EXPERIMENT: experiment.name,
        LABEL_RUN: identity[:SHORT],
        "ml-pipeline/owner": experiment.owner,
        "ml-pipeline/cost-centre": experiment.cost_centre,
    }
    wanted = experiment.resources
    container = {
        "name": "trainer",
        "image": f"{environment.images.trainer.repository}@{experiment.image}",
        **_command(experiment),
        "env": environment_variables(environment, variables),
        "resources": resources(wanted.cpu, wanted.memory, wanted.gpus, experiment.options),
    }
    pod = {"containers": [container], **pod_identity(environment, "training")}
    patch = _job("train", labels, pod, seconds(experiment.budget.max_duration))
    if experiment.topology.workers > 1:
        patch["spec"] |= {
            "completions": experiment.topology.workers,
            "parallelism": experiment.topology.workers,
        }
    body = kustomization(environment, "training-job", experiment.options) | {
        "namePrefix": f"{experiment.name}-"
    }
    stem = job_stem(environment.name, experiment.name, identity)
    return overlay(bases, stem, body, patch)


def _command(experiment: Experiment) -> dict[str, list[str]]:
    """Command and arguments, one a line, so that a diff shows the parameter that changed."""
    arguments = [
        "train",
        f"--experiment={experiment.name}",
        f"--model-name={experiment.model.name}",
        f"--model-type={experiment.model.type}",
    ]
    arguments += [
        f"--{key.replace('_', '-')}={value}"
        for key, value in experiment.parameters.model_dump().items()
    ]
    arguments.append(f"--seed={experiment.seed}")
    workers, gpus = experiment.topology.workers, experiment.resources.gpus
    if workers == 1 and gpus <= 1:
        return {"args": arguments}
    launcher = [
        "python",
        "-m",
        "trainer.launch",  # torch.distributed.run, with the exit codes that podFailurePolicy knows
        f"--nnodes={workers}",
        f"--nproc-per-node={max(gpus, 1)}",
    ]
    if workers > 1:
        launcher += [
            "--node-rank=$(JOB_COMPLETION_INDEX)",
            "--rdzv-backend=c10d",
            "--rdzv-endpoint=$(JOB_NAME)-0.$(JOB_NAME):29500",
        ]
    return {"command": [*launcher, "-m", "trainer"], "args": arguments}


def _job(name: str, labels: dict[str, str], pod: dict[str, Any], deadline: int) -> dict[str, Any]:
    template = {"metadata": {"labels": labels}, "spec": pod}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels},
        "spec": {"activeDeadlineSeconds": deadline, "template": template},
    }
