import pytest
import yaml
from ml_pipeline.adapters.kustomize import Overlays
from ml_pipeline.commands.parser import parsed
from ml_pipeline.documents.changes import applied
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.layout import file_of
from ml_pipeline.rules.render.drift import drift
from ml_pipeline.rules.render.flux import flux_overlays
from ml_pipeline.rules.render.overlays import LOGIN
from ml_pipeline.rules.render.platform import (
    cluster_wide,
    platform_overlays,
    pod_identity,
    policies_overlay,
)

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


def test_binding_names_its_policy_whatever_kustomize_makes_of_prefixes(files, snapshot):
    """Only a newer one renames both; an administrator's may be older, and nothing would be refused."""
    overlay = policies_overlay(files, snapshot.environments["staging"], snapshot.environments)
    named = {}
    for patch in overlay["patches"]:
        for operation in yaml.safe_load(patch["patch"]):
            if operation["path"] == "/spec/policyName":
                named[patch["target"]["name"]] = operation["value"]
    bindings = (file_of(path) for path in files if path.endswith("-binding.yaml"))
    names = [file.removesuffix("-binding.yaml") for file in bindings]
    assert len(names) > 10
    assert named == {name: f"staging-{name}" for name in names}


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


RECONCILE = b"""reconcile:
  image: {repository: r.example.com/scripts, digest: "sha256:%s"}
  secret: pushes
""" % (b"a" * 64)
OVERLAY = "environments/staging/platform/reconcile/kustomization.yaml"


def reconciler(files) -> dict[str, dict]:
    """The objects of the Deployment's overlay, as Kustomize builds them."""
    whole = applied(files, drift(load_snapshot(files)))
    with Overlays(whole) as overlays:
        stream = yaml.safe_load_all(overlays.stream(OVERLAY.rpartition("/")[0]))
        return {thing["kind"]: thing for thing in stream}


def test_nothing_commits_in_a_cluster_that_is_not_told_to(files):
    assert OVERLAY not in platform_overlays(load_snapshot(files))


def test_reconcile_is_one_pod_of_the_pinned_image_with_its_facts(files):
    files["environments/staging/environment.yaml"] += RECONCILE
    deployment = reconciler(files)["Deployment"]
    assert deployment["metadata"]["namespace"] == "staging-platform"
    assert (deployment["spec"]["replicas"], deployment["spec"]["strategy"]) == (
        1,
        {"type": "Recreate"},
    )
    pod = deployment["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "reconcile"
    assert pod["volumes"][0]["secret"]["secretName"] == "pushes"
    (container,) = pod["containers"]
    assert container["image"] == "r.example.com/scripts@sha256:" + "a" * 64
    found = parsed(container["args"])
    assert (found.command, found.env, found.clone, found.branch) == (
        "reconcile",
        "staging",
        "https://git.example.com/team/ml-pipeline.git",
        "main",
    )
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts == {"credentials": str(found.credentials), "work": str(found.work)}


def test_reconcile_has_the_login_of_mlflow_key_by_key(files):
    path = "environments/staging/environment.yaml"
    facts = files[path] + RECONCILE
    files[path] = facts.replace(b"tracking: {", b"tracking: {secret: mlflow, ")
    assert files[path] != facts
    (container,) = reconciler(files)["Deployment"]["spec"]["template"]["spec"]["containers"]
    references = {e["name"]: e["valueFrom"]["secretKeyRef"] for e in container["env"][-3:]}
    assert set(references) == set(LOGIN)
    assert all(reference["name"] == "mlflow" for reference in references.values())


@pytest.mark.parametrize(
    ("url", "port"),
    [
        (b"https://git.example.com/team/ml-pipeline.git", 443),
        (b"ssh://git@git.example.com/team/ml-pipeline.git", 22),
        (b"ssh://git@git.example.com:2222/team/ml-pipeline.git", 2222),
        (b"http://git.staging-platform.svc:3000/team", 3000),
    ],
)
def test_network_lets_it_reach_git_mlflow_api_and_metrics_alone(files, url, port):
    raw = files["environments/staging/environment.yaml"] + RECONCILE
    files["environments/staging/environment.yaml"] = raw.replace(
        b"https://git.example.com/team/ml-pipeline.git", url
    )
    policy = reconciler(files)["NetworkPolicy"]["spec"]
    assert policy["podSelector"] == {"matchLabels": {"app": "reconcile"}}
    assert sorted(policy["policyTypes"]) == ["Egress", "Ingress"]
    assert "ingress" not in policy
    ports = [[entry["port"] for entry in rule["ports"]] for rule in policy["egress"]]
    assert ports == [[port], [5000], [443, 6443], [9090], [53, 53]]
    assert all(rule.get("to") for rule in (policy["egress"][1], policy["egress"][3]))
