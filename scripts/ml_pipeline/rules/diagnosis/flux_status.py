"""What keeps Flux from applying a revision, in one line with the repair: from its objects' conditions."""

import re
from collections.abc import Iterable
from typing import Any

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
    """One line for each object of Flux that is stuck; empty where everything is applied or under way. `cluster` is the uid of
    the one cluster that should reconcile the environment."""
    if source is None:
        return ["Flux has no GitRepository ml-pipeline here; run `ml-pipeline bootstrap --apply`"]
    found = [_source(source)] if _stuck(source) else []
    here = source["metadata"].get("annotations", {}).get(CLUSTER)
    if cluster and here != cluster:
        found.append(
            f"this cluster is {here or 'unknown'}, the environment belongs to {cluster}: two would train it; disconnect one of them"
        )
    return [
        line
        for line in found + [_kustomization(thing) for thing in kustomizations if _stuck(thing)]
        if line
    ]


def applied(kustomizations: Iterable[Object]) -> dict[str, str]:
    """Revision that each part has applied, by name; empty where it has applied none."""
    return {
        thing["metadata"]["name"]: _sha(thing.get("status", {}).get("lastAppliedRevision", ""))
        for thing in kustomizations
    }


def _sha(revision: str) -> str:
    return revision.rpartition(":")[2]


def _stuck(thing: Object) -> bool:
    ready = _ready(thing)
    if thing["spec"].get("suspend"):
        return True
    return ready.get("status") == "False" and ready.get("reason") not in _WAITING


def _source(thing: Object) -> str:
    message, url = _message(thing), thing["spec"]["url"]
    if thing["spec"].get("suspend"):
        return "GitRepository ml-pipeline is suspended; resume it with `flux resume source git ml-pipeline`"
    if "authentication" in message or "authorization" in message:
        return f"GitRepository ml-pipeline: {url} refuses the credentials; renew the Secret of source.secret"
    return (
        f"GitRepository ml-pipeline: {message}; check source.url and the branch in environment.yaml"
    )


def _kustomization(thing: Object) -> str:
    name, reason, message = (
        thing["metadata"]["name"],
        _ready(thing).get("reason", ""),
        _message(thing),
    )
    if thing["spec"].get("suspend"):
        return (
            f"Kustomization {name} is suspended; resume it with `flux resume kustomization {name}`"
        )
    denied = _DENIED.search(message)
    if denied:
        return f"Kustomization {name}: {denied[1]} is denied by the policy {denied[2]}: {denied[3].strip()}"
    for pattern, text in _CAUSES:
        match = re.search(pattern, message, re.DOTALL)
        if match:
            return f"Kustomization {name}: {text.format(*map(_innermost, match.groups()))}"
    return f"Kustomization {name}: {reason}: {message.splitlines()[0] if message else 'no message'}; correct it in git, or revert"


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
        "a secret does not decrypt with this age key; encrypt it for the key of this environment, or restore the key",
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


def _message(thing: Object) -> str:
    return str(_ready(thing).get("message", "")).strip()


def _ready(thing: Object) -> dict[str, Any]:
    return dict(
        {c["type"]: c for c in thing.get("status", {}).get("conditions", ())}.get("Ready", {})
    )
