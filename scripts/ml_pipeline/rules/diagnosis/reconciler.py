"""Whether the Deployment `reconcile` of an environment does its work, in one line with the repair: from its pods and their events."""

import re
from collections.abc import Iterable

from ml_pipeline.documents.fields import one_line
from ml_pipeline.rules.diagnosis.pods import conditions_of, container_state
from ml_pipeline.rules.kustomize.objects import Object

SELECTOR = "app=reconcile"
_LIMIT = 300
_PULL = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")


def reconciler_findings(
    pods: Iterable[Object], events: Iterable[Object], namespace: str
) -> list[str]:
    """What keeps `reconcile` from its work; empty where a pod of it is ready."""
    there = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    if any(_is_ready(pod) for pod in there):
        return []
    if not there:
        return [
            f"reconcile has no pod, so nothing is committed; see `kubectl -n {namespace} describe deployment,replicaset reconcile`"
        ]
    pod = max(there, key=lambda pod: str(pod["metadata"].get("creationTimestamp")))
    return [f"reconcile: {one_line(_why(pod, list(events)), _LIMIT)}"]


def _why(pod: Object, events: list[Object]) -> str:
    name = pod["metadata"]["name"]
    waiting = container_state(pod, "waiting") or {}
    if waiting.get("reason") in _PULL:
        image = pod["spec"]["containers"][0]["image"]
        return (
            f"cannot pull {image}; push the image, or correct reconcile.image in environment.yaml"
        )
    said = _last(events, name, "Unhealthy", "Readiness probe failed: ")
    if said and container_state(pod, "running"):
        return said
    if waiting:
        log = f"kubectl -n {pod['metadata']['namespace']} logs --previous {name}"
        return f"{waiting.get('reason')}: {waiting.get('message', 'no message')}; see `{log}`"
    mount = _last(events, name, "FailedMount", "") or _last(events, name, "FailedScheduling", "")
    return mount or "its first pass is not through yet"


def _last(events: list[Object], name: str, reason: str, begins: str) -> str:
    """What the newest event of a pod says, without its beginning; those that begin otherwise do not count."""
    mine = [
        event
        for event in events
        if event["involvedObject"].get("name") == name
        and event.get("reason") == reason
        and str(event.get("message", "")).startswith(begins)
    ]
    if not mine:
        return ""
    newest = max(mine, key=lambda e: str(e.get("lastTimestamp") or e.get("eventTime") or ""))
    return re.sub(r"\s+", " ", str(newest["message"])[len(begins) :]).strip()


def _is_ready(pod: Object) -> bool:
    return bool(conditions_of(pod).get("Ready", {}).get("status") == "True")
