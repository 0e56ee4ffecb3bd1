from functools import cache
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml
from ml_pipeline.adapters.files import write_changes
from ml_pipeline.adapters.kustomize import build, build_objects
from ml_pipeline.adapters.processes import ProgramError
from ml_pipeline.documents.changes import Changes, applied
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.rules.automation.plan import plan
from ml_pipeline.rules.render.drift import drift
from ml_pipeline.rules.review.seldon import webhook_faults

from tests.conftest import REPOSITORY, folder
from tests.support.simulate import observed

KUBERNETES = "1.34"
PARTS = sorted(path.parent for path in (REPOSITORY / "base/platform").rglob("kustomization.yaml"))
CRDS = REPOSITORY.parent / "shared" / "crds"


def written(path: Path, files) -> Path:
    write_changes(path, Changes(applied(files, drift(load_snapshot(files)))))
    return path


@pytest.fixture
def tree(tmp_path, files) -> Path:
    return written(tmp_path, files)


def shipped() -> list[Path]:
    overlays = [
        path.parent
        for path in REPOSITORY.glob("environments/*/*/*/kustomization.yaml")
        if path.parents[1].name != "rollouts"
    ]
    return sorted(
        overlays + [path.parent for path in REPOSITORY.glob("environments/*/*/kustomization.yaml")]
    )


def invalid(thing: dict) -> list[str]:
    if thing["apiVersion"].endswith("seldon.io/v1"):
        return webhook_faults(thing)
    if "toolkit.fluxcd.io" in thing["apiVersion"] or "kueue.x-k8s.io" in thing["apiVersion"]:
        return crd_faults(thing)
    try:
        kubernetes_validate.validate(thing, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [error.message]
    return []


@pytest.mark.parametrize("overlay", shipped(), ids=lambda path: path.name)
def test_shipped_overlay_builds_and_is_valid(overlay):
    assert [fault for thing in build_objects(overlay) for fault in invalid(thing)] == []


@pytest.mark.parametrize("overlay", ["training/waiting-*", "serving/digits"])
def test_rendered_overlay_builds_and_is_valid(tree, overlay):
    (folder,) = tree.glob(f"environments/local/{overlay}")
    objects = build_objects(folder)
    assert [fault for thing in objects for fault in invalid(thing)] == []


@pytest.mark.parametrize(
    "platform", PARTS, ids=lambda path: path.relative_to(REPOSITORY / "base/platform").as_posix()
)
def test_platform_part_builds_and_is_valid(platform):
    assert [fault for thing in build_objects(platform) for fault in invalid(thing)] == []


def job_with(tmp_path, files, options: str) -> dict:
    """The Job of the waiting experiment on staging with some options, and whatever comes with it."""
    facts = "environments/staging/environment.yaml"
    files[facts] += b"kueue: true\n"
    path = "experiments/waiting/experiment.yaml"
    text = (
        files[path]
        .decode()
        .replace("environment: local", "environment: staging")
        .replace("max_cost: 0.05", "max_cost: 50")
    )
    only = {
        p: raw
        for p, raw in files.items()
        if not p.startswith("experiments/") and "/local/" not in p
    } | {path: f"{text}{options}\n".encode()}
    step = plan(load_snapshot(only), observed(only, "staging"))[0]
    tree = written(tmp_path, applied(only, step.changes))
    (overlay,) = tree.glob("environments/staging/training/waiting-*")
    return {thing["kind"]: thing for thing in build_objects(overlay)}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("options: [spot]", {"nodeSelector": {"node.kubernetes.io/lifecycle": "spot"}}),
        (
            "options: [gpu-shared]",
            {"nodeSelector": {"nvidia.com/gpu.sharing-strategy": "time-slicing"}},
        ),
        ("options: [gpu-mig]", {"nodeSelector": {"nvidia.com/mig.capable": "true"}}),
    ],
)
def test_component_changes_the_pod(tmp_path, files, options, expected):
    files["experiments/waiting/experiment.yaml"] = files[
        "experiments/waiting/experiment.yaml"
    ].replace(b"cpu: 1", b"gpus: 1, cpu: 1")
    job = job_with(tmp_path, files, options)["Job"]
    assert invalid(job) == []
    assert expected.items() <= job["spec"]["template"]["spec"].items()


def test_kueue_queues_the_job_without_suspend(tmp_path, files):
    job = job_with(tmp_path, files, "options: [kueue]")["Job"]
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "training"
    assert "suspend" not in job["spec"]


def test_distributed_job_finds_its_workers(tmp_path, files):
    objects = job_with(tmp_path, files, "options: [distributed]\ntopology: {workers: 2}")
    job, service = objects["Job"], objects["Service"]
    assert [fault for thing in objects.values() for fault in invalid(thing)] == []
    assert (job["spec"]["completions"], job["spec"]["completionMode"]) == (2, "Indexed")
    assert job["spec"]["template"]["spec"]["subdomain"] == service["metadata"]["name"]
    assert service["spec"]["selector"] == {"batch.kubernetes.io/job-name": job["metadata"]["name"]}


def waiting(tree) -> list[dict]:
    """The objects of the run that waits."""
    (folder,) = tree.glob("environments/local/training/waiting-*")
    return build_objects(folder)


def test_jobs_keep_the_rules_of_training_exactly_once(tree):
    (job,) = waiting(tree)
    assert job["metadata"]["annotations"] == {"kustomize.toolkit.fluxcd.io/ssa": "IfNotPresent"}
    assert not {"ttlSecondsAfterFinished", "suspend"} & job["spec"].keys()
    assert len(job["metadata"]["name"]) <= 63


def test_pods_are_restricted(tree):
    (job,) = waiting(tree)
    pod = job["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_known_codes_end_or_repeat_the_job(tree):
    (job,) = waiting(tree)
    rules = [
        (r["action"], r.get("onExitCodes", {}).get("values"))
        for r in job["spec"]["podFailurePolicy"]["rules"]
    ]
    assert rules == [("FailJob", [42]), ("Ignore", None), ("Ignore", [143, 255])]


def test_overlay_that_does_not_build_is_an_error(tmp_path):
    with pytest.raises(ProgramError, match="kustomize"):
        build(tmp_path)


@pytest.mark.skipif(
    not CRDS.exists(), reason="the CRDs are not at hand; they come with the cluster tests"
)
def test_seldon_deployment_fits_its_crd(tree):
    deployment = next(
        o
        for o in build_objects(tree / "environments/local/serving/digits")
        if o["kind"] == "SeldonDeployment"
    )
    crd = yaml.load(
        (CRDS / "seldondeployments.machinelearning.seldon.io.yaml").read_bytes(),
        Loader=yaml.CSafeLoader,
    )
    schema = next(v for v in crd["spec"]["versions"] if v["name"] == "v1")["schema"][
        "openAPIV3Schema"
    ]
    jsonschema.validate(deployment, schema)
    assert unknown(deployment["spec"], schema["properties"]["spec"], "spec") == []


def unknown(value, schema: dict, at: str) -> list[str]:
    """Keys that a structural schema does not have."""
    if schema.get("x-kubernetes-preserve-unknown-fields") or (
        "properties" not in schema and "items" not in schema
    ):
        return []
    if isinstance(value, list):
        return [
            fault
            for n, item in enumerate(value)
            for fault in unknown(item, schema["items"], f"{at}[{n}]")
        ]
    found = [f"{at}.{key}" for key in value if key not in schema["properties"]]
    return found + [
        f
        for key in value.keys() & schema["properties"].keys()
        for f in unknown(value[key], schema["properties"][key], f"{at}.{key}")
    ]


def test_repository_yaml_is_reachable():
    """Every manifest of base/ is named by a kustomization beside it."""
    loose = []
    for path in (
        p
        for p in folder(REPOSITORY, "base")
        if p.endswith(".yaml") and not p.endswith("kustomization.yaml")
    ):
        kustomization = (REPOSITORY / path).with_name("kustomization.yaml").read_text()
        loose += [] if Path(path).name in kustomization else [path]
    assert loose == []


@cache
def crd_schemas() -> dict[tuple[str, str], dict]:
    """Schemas of Flux, Kueue and Seldon by apiVersion and kind, where they are at hand."""
    found = {}
    for path in [*CRDS.parent.glob("cluster-bin/crds/*.yaml"), *CRDS.glob("*kueue*.yaml")]:
        crd = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)["spec"]
        for version in crd["versions"]:
            found[f"{crd['group']}/{version['name']}", crd["names"]["kind"]] = version["schema"][
                "openAPIV3Schema"
            ]
    return found


def crd_faults(thing: dict) -> list[str]:
    """What the CRD refuses; nothing where it is not at hand."""
    schema = crd_schemas().get((thing["apiVersion"], thing["kind"]))
    if schema is None:
        return []
    faults = [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(thing)]
    return faults + unknown(thing.get("spec", {}), schema["properties"].get("spec", {}), "spec")


def flux(environment: str) -> dict[tuple[str, str], dict]:
    return {
        (o["kind"], o["metadata"]["name"]): o
        for o in build_objects(REPOSITORY / f"environments/{environment}/flux")
    }


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_flux_waits_for_serving_and_never_for_training_and_never_forces(environment):
    specs = {
        name: thing["spec"]
        for (kind, name), thing in flux(environment).items()
        if kind == "Kustomization"
    }
    assert sorted(specs) == ["platform", "serving", "training"]
    assert (specs["training"]["wait"], specs["serving"]["wait"]) == (False, True)
    assert not any("force" in spec for spec in specs.values())
    assert all(spec["prune"] and spec["serviceAccountName"] == name for name, spec in specs.items())


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_flux_fetches_only_what_the_cluster_builds_from(environment):
    source = flux(environment)["GitRepository", "ml-pipeline"]["spec"]
    assert "/*\n" in source["ignore"]
    assert f"!/environments/{environment}/training/\n" in source["ignore"]


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_everything_of_an_environment_carries_its_name(environment):
    """So that two environments can share a cluster and neither touches what is the other's."""
    objects = [
        *flux(environment).values(),
        *build_objects(REPOSITORY / f"environments/{environment}/platform"),
    ]
    assert {o["metadata"]["labels"]["ml-pipeline/environment"] for o in objects} == {environment}
    whole = [
        o["metadata"]
        for o in objects
        if "namespace" not in o["metadata"] and o["kind"] != "Namespace"
    ]
    assert whole
    assert all(metadata["name"].startswith(f"{environment}-") for metadata in whole)


def test_policies_bind_in_the_namespaces_of_their_environment():
    objects = build_objects(REPOSITORY / "environments/staging/flux/cluster")
    names = {o["metadata"]["name"] for o in objects if o["kind"] == "ValidatingAdmissionPolicy"}
    bindings = [o["spec"] for o in objects if o["kind"] == "ValidatingAdmissionPolicyBinding"]
    assert {binding["policyName"] for binding in bindings} == names
    selectors = [b["matchResources"]["namespaceSelector"]["matchLabels"] for b in bindings]
    assert {selector["ml-pipeline/environment"] for selector in selectors} == {"staging"}


def test_options_of_the_source_are_rendered(tmp_path, files):
    path = "environments/staging/environment.yaml"
    old = b"source: {url: https://git.example.com/team/ml-pipeline.git}"
    new = b"source: {url: https://github.com/a/b.git, secret: deploy-key, decryption: sops-age, commit_status: token}\nkueue: true"
    files[path] = files[path].replace(old, new)
    tree = written(tmp_path, files)
    objects = {
        (o["kind"], o["metadata"]["name"]): o["spec"]
        for o in build_objects(tree / "environments/staging/flux")
        if "spec" in o
    }
    assert objects["GitRepository", "ml-pipeline"]["secretRef"] == {"name": "deploy-key"}
    assert objects["Kustomization", "platform"]["decryption"] == {
        "provider": "sops",
        "secretRef": {"name": "sops-age"},
    }
    assert objects["Provider", "commit-status"]["address"] == "https://github.com/a/b"
    platform = build_objects(tree / "environments/staging/platform")
    assert [fault for thing in platform for fault in invalid(thing)] == []
    (queue,) = (o for o in platform if o["kind"] == "LocalQueue")
    assert queue["spec"]["clusterQueue"] == "staging-training"
