"""What keeps Flux from applying a revision, in one line with the repair: from its objects'
conditions."""

import re
from collections.abc import Iterable

from ml_pipeline.rules.diagnosis.job_view import conditions_of
from ml_pipeline.rules.kustomize.objects import Object
from ml_pipeline.rules.render.flux import CLUSTER

_WAITING = ("Progressing", "ProgressingWithRetry", "DependencyNotReady", "Suspended")
_DENIED = re.compile(
    r"([\w/.-]+) dry-run failed.*?ValidatingAdmissionPolicy '([^']+)'.*? denied request: (.*)",
    re.DOTALL,
)


def flux_findings(
    source: Object | None, kustomizations: Iterable[Object], cluster: str | None = None
) -> list[str]:
    """One line for each object of Flux that is stuck; empty where everything is applied or under
    way. `cluster` is the uid of the one cluster that should reconcile the environment."""
    if source is None:
        return ["Flux has no GitRepository ml-pipeline here; run `ml-pipeline bootstrap --apply`"]
    findings = []
    if _is_stuck(source):
        findings.append(_source_finding(source))
    here = source["metadata"].get("annotations", {}).get(CLUSTER)
    if cluster and here != cluster:
        findings.append(
            f"this cluster is {here or 'unknown'}, the environment belongs to {cluster}: "
            "two would train it; disconnect one of them"
        )
    findings += [
        _finding(kustomization) for kustomization in kustomizations if _is_stuck(kustomization)
    ]
    return findings


def applied(kustomizations: Iterable[Object]) -> dict[str, str]:
    """Revision that each part has applied, by name; empty where it has applied none."""
    revisions = {}
    for kustomization in kustomizations:
        revision = kustomization.get("status", {}).get("lastAppliedRevision", "")
        # As Flux writes it: `main@sha1:<commit>`.
        revisions[kustomization["metadata"]["name"]] = revision.rpartition(":")[2]
    return revisions


def _is_stuck(manifest: Object) -> bool:
    if manifest["spec"].get("suspend"):
        return True
    ready = _ready(manifest)
    return ready.get("status") == "False" and ready.get("reason") not in _WAITING


def _source_finding(source: Object) -> str:
    message, url = _message(source), source["spec"]["url"]
    if source["spec"].get("suspend"):
        return (
            "GitRepository ml-pipeline is suspended; "
            "resume it with `flux resume source git ml-pipeline`"
        )
    if "authentication" in message or "authorization" in message:
        return (
            f"GitRepository ml-pipeline: {url} refuses the credentials; "
            "renew the Secret of source.secret"
        )
    return (
        f"GitRepository ml-pipeline: {message}; check source.url and the branch in environment.yaml"
    )


def _finding(kustomization: Object) -> str:
    name, message = kustomization["metadata"]["name"], _message(kustomization)
    what = f"Kustomization {name}"
    if kustomization["spec"].get("suspend"):
        return f"{what} is suspended; resume it with `flux resume kustomization {name}`"
    denied = _DENIED.search(message)
    if denied:
        return f"{what}: {denied[1]} is denied by the policy {denied[2]}: {denied[3].strip()}"
    for pattern, text in _CAUSES:
        match = re.search(pattern, message, re.DOTALL)
        if match:
            return f"{what}: {text.format(*map(_innermost, match.groups()))}"
    first = message.splitlines()[0] if message else "no message"
    reason = _ready(kustomization).get("reason", "")
    return f"{what}: {reason}: {first}; correct it in git, or revert"


# What Flux says, and what to do about it; the first match counts.
_CAUSES = (
    (
        r"kustomize build failed: (.*)",
        "does not build: {0}; render it anew with `ml-pipeline render`, or revert",
    ),
    (
        r"artifact not found|Source artifact not found",
        "waits for the first fetch of the repository",
    ),
    (
        r'namespaces? "([^"]+)" not found',
        "the namespace {0} is gone; run `ml-pipeline bootstrap --apply`",
    ),
    (
        r'no matches for kind "([^"]+)" in version "([^"]+)"',
        "{0} ({1}) is not installed; install its CRDs, then Flux goes on",
    ),
    (
        r"secrets? \"([^\"]+)\" not found",
        "the Secret {0} that it needs is missing; make it, see docs/tasks/connect-a-cluster.md",
    ),
    (
        r"decrypt|no identity matched",
        "a secret does not decrypt with this age key; "
        "encrypt it for the key of this environment, or restore the key",
    ),
    (
        r"kustomization path not found|stat .*?no such file",
        "its folder is not on the branch; render it with `ml-pipeline render`",
    ),
    (
        r"(\S+) is forbidden: User \"system:serviceaccount:([^\"]+)\" (.*)",
        "{0}: {1} may not, it {2}; run `ml-pipeline bootstrap --apply`",
    ),
    (
        r"health check failed.*?\[([^\]]+)\]",
        "{0} does not become ready; revert its promotion, or see `ml-pipeline status`",
    ),
)


def _innermost(text: str | None) -> str:
    """The last link of a chain of errors, with paths as they are in the repository."""
    last = (text or "").rpartition("accumulation err='")[2].partition("': must build")[0]
    return re.sub(r"/\S*/kustomization-\d+/", "", last).strip()


def _message(manifest: Object) -> str:
    return str(_ready(manifest).get("message", "")).strip()


def _ready(manifest: Object) -> Object:
    return conditions_of(manifest).get("Ready", {})
