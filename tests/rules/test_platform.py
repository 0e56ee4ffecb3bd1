import pytest
import yaml
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.rules.platform import cluster_wide, platform_overlays, pod_identity


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


def test_registries_and_gpus_of_policies_are_those_of_the_environment(snapshot):
    raw = platform_overlays(snapshot)["environments/staging/platform/cluster/kustomization.yaml"]
    assert (
        b"['registry.example.com/ml/trainer@', 'registry.example.com/ml/serving@']"
        in raw.replace(b"''", b"'")
    )
    assert b"value: '4'" in raw


@pytest.mark.parametrize(("part", "account"), [("training", "trainer"), ("serving", "predictor")])
def test_pods_have_an_identity_where_there_is_a_cluster(snapshot, part, account):
    staging, local = snapshot.environments["staging"], snapshot.environments["local"]
    assert pod_identity(staging, part) == {
        "serviceAccountName": account,
        "priorityClassName": cluster_wide(staging, part),
    }
    assert pod_identity(local, part) == {}
