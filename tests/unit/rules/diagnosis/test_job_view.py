import pytest
from ml_pipeline.rules.automation.observed import PodEnd
from ml_pipeline.rules.diagnosis.job_view import JobView, container_state, pod_ends, views

from tests.unit.rules.diagnosis.test_pods import FAILED, RUN, event, job, killed, pod

ENDED = "2026-01-01T00:00:00Z"
COMPLETE = {"type": "Complete", "status": "True", "lastTransitionTime": ENDED}


@pytest.mark.parametrize(
    ("a_job", "pods", "phase", "ended"),
    [
        (job(COMPLETE), [], "Complete", ENDED),
        (job(FAILED), [pod("Running")], "Failed", "unknown"),
        (job({**COMPLETE, "status": "False"}), [], "Pending", ""),
        (job(suspend=True), [], "Suspended", ""),
        (job(), [pod("Pending"), pod("Running")], "Running", ""),
    ],
)
def test_phase_follows_the_conditions_then_the_pods(a_job, pods, phase, ended):
    view = JobView(a_job, pods)
    assert (view.phase, view.ended, view.identity) == (phase, ended, RUN)


def test_pods_and_events_go_to_their_job_newest_last():
    old, new = pod("Failed"), pod("Running")
    new["metadata"] = {**new["metadata"], "creationTimestamp": "2026-01-02T00:00:00Z"}
    events = [event("Started", "b", "j-x"), event("Created", "a"), event("Created", "c", "other")]
    (view,) = views([job()], [new, old], events)
    assert view.pods == [old, new]
    assert [one["message"] for one in view.events] == ["a", "b", "b"]


def test_pods_that_a_job_of_the_same_name_has_left_are_not_its_own():
    a_job = job()
    a_job["metadata"] = {**a_job["metadata"], "uid": "1"}
    pods = [pod("Failed", killed(code, message=f"m{code}")) for code in (1, 2)]
    for uid, owned in zip("12", pods, strict=True):
        owned["metadata"]["ownerReferences"] = [{"uid": uid, "controller": True}]
    assert pod_ends(JobView(a_job, pods)) == (PodEnd(1, "m1"),)


def test_state_of_a_pod_without_a_container_is_none():
    assert container_state(pod("Pending"), "running") is None
    assert container_state(pod("Running", {"running": {"x": 1}}), "running") == {"x": 1}
