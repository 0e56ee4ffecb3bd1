"""From a promotion to the SeldonDeployment that serves it, by two pens that share no file.

`environments/<env>/serving/<model>/` is rendered from the promotion, in the person's commit.
Automation writes only `environments/<env>/rollouts/<model>/`: one patch for each rollout that it
has moved, which applies while the promotion names that rollout as its target and to nothing else.
"""

from typing import Any

from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.promotion import Promotion
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.documents.writer import to_yaml
from ml_pipeline.layout import rollout_path, rollouts_folder, serving_folder, stem_of
from ml_pipeline.rules.identity.hashes import rollout_id
from ml_pipeline.rules.identity.served import Serving
from ml_pipeline.rules.identity.weights import Weights, WeightsPatch, first_step
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


def serving_overlays(snapshot: Snapshot) -> dict[str, bytes]:
    """The rendered side of every promotion."""
    rendered: dict[str, bytes] = {}
    for name, model in snapshot.promotions:
        rendered |= serving_overlay(snapshot, name, model)
    return rendered


def serving_overlay(snapshot: Snapshot, name: str, model: str) -> dict[str, bytes]:
    """The rendered side of one promotion, from the environments and runs that it names."""
    environment, promotion = snapshot.environments[name], snapshot.promotions[name, model]
    folder = serving_folder(name, model)
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


def rollout_files(snapshot: Snapshot, serving: Serving, weights: Weights) -> dict[str, bytes]:
    """Automation's files after it has set these weights for the rollout."""
    patch = WeightsPatch.between(first_step(serving.promotion), weights)
    path = rollout_path(serving.environment, serving.model, serving.rollout)
    files = {path: to_yaml(patch.operations())}
    folder = rollouts_folder(serving.environment, serving.model)
    known = {stem_of(path) for path in snapshot.files if path.startswith(folder)}
    targets = sorted((known | {serving.rollout}) - {"kustomization"})
    return files | {
        f"{folder}kustomization.yaml": to_yaml(rollout_component(serving.model, targets))
    }


def opened_rollouts(snapshot: Snapshot, model: str) -> dict[str, bytes]:
    """Automation's component, without a patch yet, for each environment where there is none."""
    component = to_yaml(rollout_component(model, []))
    opened = {}
    for name in snapshot.environments:
        path = f"{rollouts_folder(name, model)}kustomization.yaml"
        if path not in snapshot.files:
            opened[path] = component
    return opened


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
    """Automation's component, with the patches of these rollouts."""
    # Labels keep it from being empty, which kustomize refuses.
    body: dict[str, Any] = {**_COMPONENT, "labels": [{"pairs": {"ml-pipeline/model": model}}]}
    if targets:
        selector = {"kind": "SeldonDeployment"}
        body["patches"] = [
            {"path": f"{t}.yaml", "target": {**selector, "annotationSelector": f"{TARGET}={t}"}}
            for t in targets
        ]
    return body
