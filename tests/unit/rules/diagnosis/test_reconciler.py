import pytest
from ml_pipeline.rules.diagnosis.reconciler import reconciler_findings


def pod(name: str = "reconcile-1", *, ready: str = "False", **state) -> dict:
    return {
        "metadata": {"name": name, "namespace": "ns", "creationTimestamp": name},
        "spec": {"containers": [{"image": "r/scripts@sha256:aa"}]},
        "status": {
            "conditions": [{"type": "Ready", "status": ready}],
            "containerStatuses": [{"state": state}],
        },
    }


def event(reason: str, message: str, when: str = "1", name: str = "reconcile-1") -> dict:
    return {
        "involvedObject": {"name": name},
        "reason": reason,
        "message": message,
        "lastTimestamp": when,
    }


UNHEALTHY = "Readiness probe failed: held since 12:00: "


def test_pod_that_is_ready_is_no_finding():
    events = [event("Unhealthy", f"{UNHEALTHY}MLflow does not answer")]
    assert reconciler_findings([pod(ready="True", running={})], events, "ns") == []


def test_no_pod_says_where_to_look():
    ending = pod(ready="True", running={})
    ending["metadata"]["deletionTimestamp"] = "now"
    (line,) = reconciler_findings([ending], [], "ns")
    assert line.startswith("reconcile has no pod, so nothing is committed; see `kubectl -n ns")


@pytest.mark.parametrize(
    ("state", "events", "line"),
    [
        (
            {"waiting": {"reason": "ImagePullBackOff"}},
            [],
            "cannot pull r/scripts@sha256:aa; push the image, or correct reconcile.image in environment.yaml",
        ),
        (
            {"running": {"startedAt": "now"}},
            [
                event("Unhealthy", f"{UNHEALTHY}the key\n", "1"),
                event("Unhealthy", f"{UNHEALTHY}the host\n", "2"),
                event("Unhealthy", "Liveness probe failed: ", "3"),
                event("Unhealthy", f"{UNHEALTHY}other", "4", "another-pod"),
            ],
            "held since 12:00: the host",
        ),
        (
            {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
            [event("Unhealthy", f"{UNHEALTHY}the host")],
            "CrashLoopBackOff: back-off 10s; see `kubectl -n ns logs --previous reconcile-1`",
        ),
        ({}, [event("FailedScheduling", "0/1 nodes are available")], "0/1 nodes are available"),
        ({"running": {"startedAt": "now"}}, [], "its first pass is not through yet"),
    ],
)
def test_what_keeps_it_from_its_work_is_one_line(state, events, line):
    assert reconciler_findings([pod(**state)], events, "ns") == [f"reconcile: {line}"]


def test_newest_pod_counts():
    old, new = pod("a", waiting={"reason": "ErrImagePull"}), pod("b", running={})
    (line,) = reconciler_findings([new, old], [], "ns")
    assert line == "reconcile: its first pass is not through yet"
