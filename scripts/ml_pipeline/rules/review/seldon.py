"""The rules of the Seldon operator's validating webhook, 1.17.1, as rules of our own: what breaks
one would be refused in the cluster.

Source: operator/apis/machinelearning.seldon.io/v1/seldondeployment_webhook.go.
"""

from collections.abc import Iterator

from ml_pipeline.rules.kustomize.objects import Object

# Servers that the operator's ConfigMap `seldon-config` knows as it ships.
PREPACKAGED = frozenset(
    (
        "SKLEARN_SERVER",
        "XGBOOST_SERVER",
        "TENSORFLOW_SERVER",
        "MLFLOW_SERVER",
        "HUGGINGFACE_SERVER",
        "TRITON_SERVER",
    )
)


def webhook_faults(deployment: Object) -> list[str]:
    """Every rule that a SeldonDeployment breaks, in words; empty where the webhook lets it in."""
    predictors = deployment["spec"].get("predictors") or []
    faults = list(_traffic(predictors)) + list(_names(predictors))
    for predictor in predictors:
        faults += _graph(predictor, predictor["graph"])
        nodes = list(_nodes(predictor["graph"]))
        if predictor.get("annotations", {}).get("seldon.io/no-engine") == "true" and len(nodes) > 1:
            faults.append(
                f"{predictor['name']}: seldon.io/no-engine goes with a graph of one node only"
            )
        kinds = {node["endpoint"]["type"] for node in nodes if node.get("endpoint", {}).get("type")}
        if len(kinds) > 1:
            faults.append(
                f"{predictor['name']}: all nodes of a graph need the same endpoint type, "
                f"found {', '.join(sorted(kinds))}"
            )
    return faults


def _traffic(predictors: list[Object]) -> Iterator[str]:
    shadows = [p for p in predictors if p.get("shadow")]
    live = [p.get("traffic", 0) for p in predictors if not p.get("shadow")]
    if not live:
        yield "a shadow cannot stand alone" if shadows else "at least one predictor is needed"
    elif len(live) == 1 and live[0] not in (0, 100):
        yield f"the traffic of a single predictor must be 0 or 100, is {live[0]}"
    elif len(live) > 1 and sum(live) != 100:
        yield f"the traffic of the predictors must sum to 100, sums to {sum(live)}"
    if len(shadows) > 1:
        yield f"at most one predictor can be a shadow, found {len(shadows)}"
    for shadow in shadows:
        if not 0 <= shadow.get("traffic", 0) <= 100:
            yield f"the traffic of a shadow must be from 0 to 100, is {shadow['traffic']}"


def _names(predictors: list[Object]) -> Iterator[str]:
    names = [p["name"] for p in predictors]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"the predictor name {name} stands twice"


def _graph(predictor: Object, node: Object) -> Iterator[str]:
    """A node runs in a container of its name, or in a prepackaged server that is told its model."""
    containers: list[str] = []
    for spec in predictor.get("componentSpecs") or ():
        pod = spec.get("spec", {})
        containers += [container["name"] for container in pod.get("containers", ())]
    implementation = node.get("implementation")
    if implementation in PREPACKAGED:
        if not node.get("modelUri"):
            yield f"{predictor['name']}: {node['name']} needs a modelUri for {implementation}"
    elif node["name"] not in containers and implementation in (None, "UNKNOWN_IMPLEMENTATION"):
        yield f"{predictor['name']}: no container is named like the graph node {node['name']}"
    if "logger" in node and not node["logger"].get("mode"):
        yield f"{predictor['name']}: the logger of {node['name']} needs a mode"
    for child in node.get("children") or ():
        yield from _graph(predictor, child)


def _nodes(node: Object) -> Iterator[Object]:
    yield node
    for child in node.get("children") or ():
        yield from _nodes(child)
