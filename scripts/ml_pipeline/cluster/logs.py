"""The log of a run on a cluster: of its pods, one after the other, by its identity."""

import time
from collections.abc import Iterator

from ml_pipeline.adapters.kubernetes import JOBS, PODS, Cluster, NotServedError, Object
from ml_pipeline.documents.faults import PipelineError, UnavailableError
from ml_pipeline.rules.overlays import LABEL_DATA, LABEL_RUN
from ml_pipeline.rules.pods import views

FOLLOW_SECONDS = 0.5


def read(cluster: Cluster, namespace: str, short: str, *, follow: bool) -> Iterator[bytes]:
    """Logs of all pods of a run or of prepared data, oldest first; with `follow`, until its Job has ended.

    Raises:
        PipelineError: there is no such pod.
    """
    printed: set[str] = set()
    while True:
        jobs, pods = _found(cluster, namespace, short)
        if not jobs and not pods and not printed:
            raise PipelineError(
                f"no pod of {short!r} is there; its log went with it when it was settled, metrics and plots are in MLflow"
            )
        for pod in pods:
            name = pod["metadata"]["name"]
            if name not in printed and _has_started(pod):
                printed.add(name)
                yield from _log(cluster, namespace, name, follow=follow)
        if not follow or all(
            view.phase in ("Complete", "Failed") for view in views(jobs, pods, ())
        ):
            return
        time.sleep(FOLLOW_SECONDS)


def _found(cluster: Cluster, namespace: str, short: str) -> tuple[list[Object], list[Object]]:
    """The Jobs of a run, or else of prepared data, and their pods, oldest first."""
    for label in (LABEL_DATA, LABEL_RUN):
        selector = f"{label}={short}"
        if (jobs := cluster.objects(JOBS, namespace, selector)) or label == LABEL_RUN:
            break
    return jobs, sorted(
        cluster.objects(PODS, namespace, selector),
        key=lambda p: str(p["metadata"]["creationTimestamp"]),
    )


def _has_started(pod: Object) -> bool:
    return any(
        "waiting" not in s.get("state", {}) for s in pod["status"].get("containerStatuses") or ()
    )


def _log(cluster: Cluster, namespace: str, pod: str, *, follow: bool) -> Iterator[bytes]:
    try:
        yield from cluster.log(namespace, pod, follow=follow)
    except (NotServedError, UnavailableError):  # gone, or just going: the next pod carries on
        return
