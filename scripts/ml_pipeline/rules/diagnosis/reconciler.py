"""Whether the Deployment `reconcile` of an environment does its work, in one line with the repair:
from its pods and their events."""

import re
from collections.abc import Iterable

from ml_pipeline.documents.fields import one_line
from ml_pipeline.rules.diagnosis.job_view import conditions_of, container_state
from ml_pipeline.rules.kustomize.objects import Object

SELECTOR = "app=reconcile"
_LIMIT = 300  # characters of the line
_PULL = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")


def reconciler_findings(
    pods: Iterable[Object], events: Iterable[Object], namespace: str
) -> list[str]:
    """What keeps `reconcile` from its work; empty where a pod of it is ready."""
    there = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    if any(_is_ready(pod) for pod in there):
        return []
    if not there:
        describe = f"kubectl -n {namespace} describe deployment,replicaset reconcile"
        return [f"reconcile has no pod, so nothing is committed; see `{describe}`"]
    newest = max(there, key=lambda pod: str(pod["metadata"].get("creationTimestamp")))
    return [f"reconcile: {one_line(_why(newest, list(events)), _LIMIT)}"]


def _why(pod: Object, events: list[Object]) -> str:
    name = pod["metadata"]["name"]
    waiting = container_state(pod, "waiting") or {}
    reason = waiting.get("reason")
    if reason in _PULL:
        image = pod["spec"]["containers"][0]["image"]
        return (
            f"cannot pull {image}; push the image, or correct reconcile.image in environment.yaml"
        )
    # A container that runs and is not ready says itself what its passes lack: its probe fails with
    # the lines of the heartbeat.
    unready = _newest_message(events, name, "Unhealthy", "Readiness probe failed: ")
    if unready and container_state(pod, "running"):
        return unready
    if waiting:
        log = f"kubectl -n {pod['metadata']['namespace']} logs --previous {name}"
        return f"{reason}: {waiting.get('message', 'no message')}; see `{log}`"
    for reason in ("FailedMount", "FailedScheduling"):
        message = _newest_message(events, name, reason)
        if message:
            return message
    return "its first pass is not through yet"


def _newest_message(events: list[Object], name: str, reason: str, begins: str = "") -> str:
    """What the newest event of a pod says, without its beginning; those that begin otherwise do not
    count."""
    own = []
    for event in events:
        is_of_the_pod = event["involvedObject"].get("name") == name
        is_such = event.get("reason") == reason
        if is_of_the_pod and is_such and str(event.get("message", "")).startswith(begins):
            own.append(event)
    if not own:
        return ""
    newest = max(own, key=lambda e: str(e.get("lastTimestamp") or e.get("eventTime") or ""))
    return re.sub(r"\s+", " ", str(newest["message"])[len(begins) :]).strip()


def _is_ready(pod: Object) -> bool:
    return bool(conditions_of(pod).get("Ready", {}).get("status") == "True")
