import pytest
from ml_pipeline.rules.diagnosis.flux_status import applied, flux_findings


def source(
    reason: str = "Succeeded", message: str = "", *, ready: str = "True", **metadata
) -> dict:
    condition = {"type": "Ready", "status": ready, "reason": reason, "message": message}
    return {
        "metadata": {"name": "ml-pipeline", **metadata},
        "spec": {"url": "https://x/y.git"},
        "status": {"conditions": [condition]},
    }


def part(reason: str, message: str, name: str = "training", **spec) -> dict:
    condition = {"type": "Ready", "status": "False", "reason": reason, "message": message}
    return {"metadata": {"name": name}, "spec": spec, "status": {"conditions": [condition]}}


def only(thing: dict) -> str:
    (line,) = flux_findings(source(), [thing])
    return line


def test_no_source_means_it_was_never_connected():
    assert flux_findings(None, []) == [
        "Flux has no GitRepository ml-pipeline here; run `ml-pipeline bootstrap --apply`"
    ]


@pytest.mark.parametrize("reason", ["Progressing", "DependencyNotReady"])
def test_what_is_under_way_is_no_finding(reason):
    assert flux_findings(source(), [part(reason, "x")]) == []


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (
            "kustomize build failed: accumulating resources: accumulation err='accumulating resources from './a': read /tmp/kustomization-1/a: is a directory': x: accumulation err='accumulating resources from 'gone.yaml': open /tmp/kustomization-1/base/gone.yaml: no such file or directory': must build at directory: y",
            "does not build: accumulating resources from 'gone.yaml': open base/gone.yaml: no such file or directory; render it anew with `ml-pipeline render`, or revert",
        ),
        (
            "kustomize build failed: invalid name",
            "does not build: invalid name; render it anew with `ml-pipeline render`, or revert",
        ),
        (
            'namespaces "s-serving" not found',
            "the namespace s-serving is gone; run `ml-pipeline bootstrap --apply`",
        ),
        (
            'SeldonDeployment/s/digits dry-run failed: no matches for kind "SeldonDeployment" in version "machinelearning.seldon.io/v1"',
            "SeldonDeployment (machinelearning.seldon.io/v1) is not installed; install its CRDs, then Flux goes on",
        ),
        (
            'secrets "sops-age" not found',
            "the Secret sops-age that it needs is missing; make it, see docs/tasks/connect-a-cluster.md",
        ),
        (
            "failed to decrypt and format 'x.yaml': cannot get sops data key: Error getting data key: 0 successful groups required",
            "a secret does not decrypt with this age key; encrypt it for the key of this environment, or restore the key",
        ),
        (
            "kustomization path not found: stat /tmp/x: no such file or directory",
            "its folder is not on the branch; render it with `ml-pipeline render`",
        ),
        (
            "Job/t/j dry-run failed (Forbidden): jobs.batch \"j\" is forbidden: ValidatingAdmissionPolicy 's-jobs-run-once' with binding 's-jobs-run-once' denied request: ttl; remove it",
            "Job/t/j is denied by the policy s-jobs-run-once: ttl; remove it",
        ),
        (
            'Secret/t/x dry-run failed (Forbidden): secrets "x" is forbidden: User "system:serviceaccount:p:training" cannot patch resource "secrets"',
            '"x": p:training may not, it cannot patch resource "secrets"; run `ml-pipeline bootstrap --apply`',
        ),
        (
            "something else\nmore",
            "ReconciliationFailed: something else; correct it in git, or revert",
        ),
    ],
)
def test_cause_and_repair_are_one_line(message, text):
    assert only(part("ReconciliationFailed", message)) == f"Kustomization training: {text}"


def test_health_check_names_the_model():
    text = only(
        part(
            "HealthCheckFailed",
            "health check failed after 5m0s: timeout waiting for: [SeldonDeployment/s/digits status: 'InProgress']",
            "serving",
        )
    )
    assert text.startswith(
        "Kustomization serving: SeldonDeployment/s/digits status: 'InProgress' does not become ready; revert its promotion"
    )


def test_suspended_part_says_how_to_resume():
    assert (
        only(part("x", "", suspend=True))
        == "Kustomization training is suspended; resume it with `flux resume kustomization training`"
    )


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (
            "failed to checkout: authentication required",
            "https://x/y.git refuses the credentials; renew the Secret of source.secret",
        ),
        (
            "repository not found",
            "repository not found; check source.url and the branch in environment.yaml",
        ),
    ],
)
def test_source_that_cannot_be_fetched(message, text):
    assert flux_findings(source("GitOperationFailed", message, ready="False"), []) == [
        f"GitRepository ml-pipeline: {text}"
    ]


def test_second_cluster_is_a_finding():
    (line,) = flux_findings(source(annotations={"ml-pipeline/cluster": "b"}), [], "a")
    assert (
        line
        == "this cluster is b, the environment belongs to a: two would train it; disconnect one of them"
    )


def test_applied_revision_is_the_sha():
    thing = {"metadata": {"name": "training"}, "status": {"lastAppliedRevision": "main@sha1:abc"}}
    assert applied([thing]) == {"training": "abc"}
