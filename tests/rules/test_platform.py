import pytest
import yaml
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.rules.flux import flux_overlays
from ml_pipeline.rules.platform import cluster_wide, platform_overlays, pod_identity

from tests.conftest import REPOSITORY


def hard(raw: bytes) -> dict[str, str]:
    quota = next(
        p for p in yaml.safe_load(raw)["patches"] if p["target"]["kind"] == "ResourceQuota"
    )
    return {
        o["path"].removeprefix("/spec/hard/").replace("~1", "/"): o["value"]
        for o in yaml.safe_load(quota["patch"])
    }


def test_quota_is_as_large_as_the_pools(snapshot):
    raw = platform_overlays(snapshot)["environments/staging/platform/training/kustomization.yaml"]
    assert hard(raw) == {
        "requests.cpu": "256",
        "requests.memory": "1351680Mi",
        "requests.nvidia.com/gpu": "8",
    }


def test_queue_comes_with_the_fact(files):
    path = "environments/staging/platform/cluster/kustomization.yaml"
    assert b"kueue" not in platform_overlays(load_snapshot(files))[path]
    files["environments/staging/environment.yaml"] += b"kueue: true\n"
    assert b"base/platform/kueue/cluster" in platform_overlays(load_snapshot(files))[path]


def parameters(snapshot, policy: str) -> dict[str, str]:
    """What the renderer tells a policy of staging, by the name that base/ has for it."""
    raw = flux_overlays(snapshot)["environments/staging/flux/cluster/kustomization.yaml"]
    target = {"kind": "ValidatingAdmissionPolicy", "name": policy}
    told = next(p for p in yaml.safe_load(raw)["patches"] if p["target"] == target)
    base = yaml.safe_load((REPOSITORY / f"base/platform/policies/{policy}.yaml").read_text())
    names = [variable["name"] for variable in base["spec"]["variables"]]
    return {names[int(o["path"].split("/")[3])]: o["value"] for o in yaml.safe_load(told["patch"])}


def test_policies_are_told_what_the_environment_has(snapshot):
    assert parameters(snapshot, "jobs-are-accounted") == {"gpus": "4"}
    assert parameters(snapshot, "images-are-pinned") == {
        "repository": '"registry.example.com/ml/trainer"'
    }
    assert parameters(snapshot, "pods-are-contained") == {
        "account": '"trainer"',
        "priority": '"staging-training"',
    }
    assert parameters(snapshot, "containers-are-rendered")["secrets"] == "[]"


def test_models_come_from_own_stores_and_those_that_are_promoted_from(files):
    files["environments/staging/environment.yaml"] += b"promotes_from: [local]\n"
    told = parameters(load_snapshot(files), "models-are-contained")
    assert set(told) == {"repository", "stores", "account", "priority"}
    assert told["stores"] == '["s3://ml-staging/", "pvc://artifacts/"]'


@pytest.mark.parametrize(("part", "account"), [("training", "trainer"), ("serving", "predictor")])
def test_pods_have_an_identity_where_there_is_a_cluster(snapshot, part, account):
    staging, local = snapshot.environments["staging"], snapshot.environments["local"]
    assert pod_identity(staging, part) == {
        "serviceAccountName": account,
        "priorityClassName": cluster_wide(staging, part),
    }
    assert pod_identity(local, part) == {}
