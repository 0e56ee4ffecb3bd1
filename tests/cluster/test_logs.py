import pytest
from ml_pipeline.adapters.kubernetes import JOBS, PODS
from ml_pipeline.cluster.logs import read
from ml_pipeline.documents.faults import PipelineError

from tests.rules.test_pods import FAILED, RUN, job, killed, pod


def two_tries(api):
    first, second = pod("Failed", killed(1)), pod("Running", {"running": {}})
    second["metadata"] = {
        **second["metadata"],
        "name": "j-y",
        "creationTimestamp": "2026-01-01T00:01:00Z",
    }
    api.put(JOBS, "t", job(FAILED))
    api.put(PODS, "t", second, first)
    api.objects["/api/v1/namespaces/t/pods/j-x/log"] = b"epoch 1\n"
    api.objects["/api/v1/namespaces/t/pods/j-y/log"] = b"resuming\n"


@pytest.mark.parametrize("follow", [False, True])
def test_tries_are_read_in_turn_until_the_job_has_ended(api, cluster, follow):
    two_tries(api)
    assert b"".join(read(cluster, "t", RUN, follow=follow)) == b"epoch 1\nresuming\n"


def test_pod_that_has_not_started_has_no_log(api, cluster):
    api.put(JOBS, "t", job())
    api.put(PODS, "t", pod("Pending", {"waiting": {"reason": "ContainerCreating"}}))
    assert list(read(cluster, "t", RUN, follow=False)) == []


def test_pod_that_goes_meanwhile_is_passed_over(api, cluster):
    two_tries(api)
    del api.objects["/api/v1/namespaces/t/pods/j-x/log"]
    assert b"".join(read(cluster, "t", RUN, follow=False)) == b"resuming\n"


def test_run_without_pods_says_where_its_traces_are(api, cluster):
    api.put(JOBS, "t")
    api.put(PODS, "t")
    with pytest.raises(
        PipelineError, match="no pod of 'ddd4bf48a3' is there; .* metrics and plots are in MLflow"
    ):
        list(read(cluster, "t", RUN, follow=True))
