"""From a promotion to the SeldonDeployment that serves it, in two pens that never touch the same file.

`environments/<env>/serving/<model>/` is rendered from the promotion, in the person's commit. Automation writes only
`environments/<env>/rollouts/<model>/`: one patch for each rollout that it has moved, which applies while the
promotion names that rollout as its target and to nothing else.
"""

from dataclasses import dataclass
from typing import Any, Literal

import yaml

from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.faults import Fault, InvalidDocumentsError
from ml_pipeline.documents.promotion import Promotion
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.documents.source import load_plain
from ml_pipeline.documents.writer import to_yaml
from ml_pipeline.rules.identity.hashes import rollout_id
from ml_pipeline.rules.render.overlays import in_namespace, resources
from ml_pipeline.rules.render.platform import model_uri, pod_identity

TARGET, RUN = "ml-pipeline/target", "ml-pipeline/run"
_COMPONENT = {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component"}
_UP = "../../../../"
_BUDGET_IS_OF_THE_MODEL = {
    "source": {"kind": "SeldonDeployment", "fieldPath": "metadata.name"},
    "targets": [
        {
            "select": {"kind": "PodDisruptionBudget"},
            "fieldPaths": ["metadata.name", "spec.selector.matchLabels.seldon-deployment-id"],
        }
    ],
}

Weights = dict[str, int]


@dataclass(frozen=True)
class Serving:
    """What a model serves at one revision: the rollout, the declared weights by run, and whether a verdict ended it."""

    environment: str
    model: str
    rollout: str
    promotion: Promotion
    weights: Weights
    ended: bool

    @property
    def share(self) -> int:
        """Percent of the traffic that the promoted run has."""
        return self.weights.get(self.promotion.run, 0)

    @property
    def standing(self) -> Literal["serves", "runs", "stopped"]:
        """Whether the promoted run serves alone, is on its way there, or was taken out and stays so."""
        if self.weights == {self.promotion.run: 100}:
            return "serves"
        return "stopped" if self.ended or not self.share else "runs"

    @property
    def step(self) -> int:
        """Number of the step that the rollout has reached, from 1; 0 where its run was taken out."""
        return sum(percent <= self.share for percent in self.promotion.rollout.steps)


def serving_overlays(snapshot: Snapshot) -> dict[str, bytes]:
    """The rendered side of every promotion."""
    rendered: dict[str, bytes] = {}
    for name, model in snapshot.promotions:
        rendered |= serving_overlay(snapshot, name, model)
    return rendered


def serving_overlay(snapshot: Snapshot, name: str, model: str) -> dict[str, bytes]:
    """The rendered side of one promotion; of the other documents it reads the environments and runs that it names."""
    environment, promotion = snapshot.environments[name], snapshot.promotions[name, model]
    folder = f"environments/{name}/serving/{model}"
    target = rollout_id(name, promotion)
    patch = _deployment(
        model,
        {"name": model, "annotations": {TARGET: target}, "labels": {"ml-pipeline/model": model}},
    )
    patch["spec"] = {
        "predictors": predictors(snapshot, environment, promotion, first_step(promotion))
    }
    component = {
        "path": "seldondeployment.yaml",
        "target": {"kind": "SeldonDeployment"},
        "options": {"allowNameChange": True},
    }
    return {
        f"{folder}/kustomization.yaml": to_yaml(_kustomization(environment, model)),
        f"{folder}/promotion/kustomization.yaml": to_yaml({**_COMPONENT, "patches": [component]}),
        f"{folder}/promotion/seldondeployment.yaml": to_yaml(patch),
    }


def first_step(promotion: Promotion) -> Weights:
    """Weights with which a promotion begins: all of it where nothing served before, else the first step."""
    first = promotion.rollout.steps[0]
    if promotion.baseline is None or first == 100:
        return {promotion.run: 100}
    return {promotion.baseline: 100 - first, promotion.run: first}


def state(snapshot: Snapshot, environment: str, model: str) -> Serving | None:
    """What a model serves, None where it is not promoted.

    Raises:
        InvalidDocumentsError: automation's file for its rollout does not fit it.
    """
    promotion = snapshot.promotions.get((environment, model))
    if promotion is None:
        return None
    target = rollout_id(environment, promotion)
    raw = snapshot.files.get(rollout_path(environment, model, target))
    first = first_step(promotion)
    try:
        weights = first if raw is None else patched(first, load_plain(raw))
    except (ValueError, yaml.YAMLError) as error:
        text = f"does not fit promotions/{model}.yaml; restore it from git"
        raise InvalidDocumentsError(
            [Fault(rollout_path(environment, model, target), 1, "", text)]
        ) from error
    ended = (environment, target) in snapshot.verdicts or weights == {promotion.run: 100}
    return Serving(environment, model, target, promotion, weights, ended)


def stable_run(serving: Serving) -> str:
    """The run that a next promotion replaces: the one that holds the traffic, the old one while that is undecided."""
    if len(serving.weights) == 1:
        return next(iter(serving.weights))
    return serving.promotion.baseline or serving.promotion.run


def rollout_files(snapshot: Snapshot, serving: Serving, weights: Weights) -> dict[str, bytes]:
    """Automation's files after it has set these weights for the rollout."""
    patch = weights_patch(first_step(serving.promotion), weights)
    files = {rollout_path(serving.environment, serving.model, serving.rollout): to_yaml(patch)}
    folder = rollouts_folder(serving.environment, serving.model)
    known = {
        path.removeprefix(folder).removesuffix(".yaml")
        for path in snapshot.files
        if path.startswith(folder)
    }
    targets = sorted((known | {serving.rollout}) - {"kustomization"})
    return files | {
        f"{folder}kustomization.yaml": to_yaml(rollout_component(serving.model, targets))
    }


def opened_rollouts(snapshot: Snapshot, model: str) -> dict[str, bytes]:
    """Automation's component, still without a patch, for each environment where the model has none yet."""
    paths = (f"{rollouts_folder(name, model)}kustomization.yaml" for name in snapshot.environments)
    return {
        path: to_yaml(rollout_component(model, [])) for path in paths if path not in snapshot.files
    }


def has_trace(snapshot: Snapshot, environment: str, promotion: Promotion) -> bool:
    """Whether automation has moved or ended the rollout of such a promotion, now or in the past."""
    target = rollout_id(environment, promotion)
    moved = rollout_path(environment, promotion.model, target) in snapshot.files
    return moved or (environment, target) in snapshot.verdicts


def promotion_path(environment: str, model: str) -> str:
    """Where a person says which run serves a model."""
    return f"environments/{environment}/promotions/{model}.yaml"


def rollout_path(environment: str, model: str, target: str) -> str:
    """Where automation keeps the weights that it has reached for one rollout."""
    return f"{rollouts_folder(environment, model)}{target}.yaml"


def rollouts_folder(environment: str, model: str) -> str:
    """Where automation keeps all that it has reached for a model, with a slash at the end."""
    return f"environments/{environment}/rollouts/{model}/"


def verdict_path(environment: str, model: str, target: str) -> str:
    """Where automation says why a rollout has ended."""
    return f"environments/{environment}/verdicts/{model}/{target}.yaml"


def weights_patch(first: Weights, weights: Weights) -> list[dict[str, Any]]:
    """The JSON patch from the predictors of the first step to these weights: weights alone, so that whatever else a
    person changes in the promotion or the environment takes effect."""
    gone = [number for number, run in enumerate(first) if run not in weights]
    kept = [run for run in first if run in weights]
    removals: list[dict[str, Any]] = [
        {"op": "remove", "path": f"/spec/predictors/{number}"} for number in reversed(gone)
    ]
    return removals + [
        {"op": "replace", "path": f"/spec/predictors/{n}/traffic", "value": weights[run]}
        for n, run in enumerate(kept)
    ]


def patched(first: Weights, patch: list[dict[str, Any]]) -> Weights:
    """The weights after such a patch.

    Raises:
        ValueError: it is none, or not one for these runs.
    """
    runs, weights = list(first), dict(first)
    try:
        for operation in patch:
            number = int(operation["path"].split("/")[3])
            if operation["op"] == "remove":
                del weights[runs.pop(number)]
            else:
                weights[runs[number]] = operation["value"]
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError("is not what automation writes") from error
    return weights


def predictors(
    snapshot: Snapshot, environment: Environment, promotion: Promotion, weights: Weights
) -> list[dict[str, Any]]:
    """One predictor a run, weights explicit, in the order given."""
    return [
        {"traffic": weight, **_predictor(snapshot, environment, promotion, reference)}
        for reference, weight in weights.items()
    ]


def _predictor(
    snapshot: Snapshot, environment: Environment, promotion: Promotion, reference: str
) -> dict[str, Any]:
    run = snapshot.runs_by_reference[reference]
    trained_in = snapshot.environments[run.environment]
    assert run.artifact is not None
    limits = resources(promotion.resources.cpu, promotion.resources.memory)
    container: dict[str, Any] = {
        "name": promotion.model,
        "env": [{"name": "MODEL_SHA256", "value": run.artifact.sha256}],
        "resources": limits,
    }
    serving = environment.images.serving
    container["image"] = (
        f"{serving.repository}@{serving.digest}" if serving.digest else serving.repository
    )
    container["securityContext"] = {
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    return {
        "name": f"run-{run.id}",
        "annotations": {RUN: reference},
        "replicas": 1,
        "graph": {
            "name": promotion.model,
            "type": "MODEL",
            "implementation": "MLFLOW_SERVER",
            "modelUri": model_uri(trained_in, run.artifact.uri),
        },
        "componentSpecs": [
            {"spec": {"containers": [container], **pod_identity(environment, "serving")}}
        ],
    }


def _deployment(name: str, metadata: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "machinelearning.seldon.io/v1",
        "kind": "SeldonDeployment",
        "metadata": {**metadata, "name": name},
    }


def _kustomization(environment: Environment, model: str) -> dict[str, Any]:
    components = ["promotion", f"../../rollouts/{model}"]
    return in_namespace(
        environment.namespaces.serving,
        [f"{_UP}base/serving"],
        components=components,
        replacements=[_BUDGET_IS_OF_THE_MODEL],
    )


def rollout_component(model: str, targets: list[str]) -> dict[str, Any]:
    """Automation's component, with the patches of these rollouts. Labels keep it from being empty, which kustomize refuses."""
    body: dict[str, Any] = {**_COMPONENT, "labels": [{"pairs": {"ml-pipeline/model": model}}]}
    if targets:
        selector = {"kind": "SeldonDeployment"}
        body["patches"] = [
            {"path": f"{t}.yaml", "target": {**selector, "annotationSelector": f"{TARGET}={t}"}}
            for t in targets
        ]
    return body
