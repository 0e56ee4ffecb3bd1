import pytest
from ml_pipeline.adapters.kubernetes import JOBS, PODS
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.environments.kubernetes import logs
from ml_pipeline.environments.kubernetes.logs import JobLogs
from ml_pipeline.rules.diagnosis.logs import LogQuery

from tests.unit.rules.diagnosis.test_pods import FAILED, RUN, job, killed, pod


def read(cluster, name: str = RUN, *, only=None, follow=False, data=None, **more) -> bytes:
    found = JobLogs(cluster, "t", LogQuery(name, only, data))
    return b"".join(found.read(follow=follow, **more))


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
    assert read(cluster, follow=follow) == b"epoch 1\nresuming\n"


def test_pod_that_has_not_started_has_no_log(api, cluster):
    api.put(JOBS, "t", job())
    api.put(PODS, "t", pod("Pending", {"waiting": {"reason": "ContainerCreating"}}))
    assert read(cluster) == b""


def test_pod_that_goes_meanwhile_is_passed_over(api, cluster):
    two_tries(api)
    del api.objects["/api/v1/namespaces/t/pods/j-x/log"]
    assert read(cluster) == b"resuming\n"


def test_run_without_pods_says_where_its_traces_are(api, cluster):
    api.put(JOBS, "t")
    api.put(PODS, "t")
    with pytest.raises(
        PipelineError,
        match="no pod of 'ddd4bf48a3' is there; .* metrics and plots are in MLflow; known are none yet",
    ):
        read(cluster, follow=True)


@pytest.mark.parametrize("name", ["waiting", "waiting/ddd4bf48a3", "ddd4bf48a3", "j"])
def test_run_is_found_by_every_name_that_people_give_it(api, cluster, name):
    two_tries(api)
    api.objects["/apis/batch/v1/namespaces/t/jobs/j"] = job(FAILED)
    assert read(cluster, name) == b"epoch 1\nresuming\n"


@pytest.mark.parametrize(("only", "text"), [(1, b"epoch 1\n"), (2, b"resuming\n")])
def test_one_try_alone(api, cluster, only, text):
    two_tries(api)
    assert read(cluster, only=only) == text


def test_try_that_was_not_says_how_many_were(api, cluster):
    two_tries(api)
    with pytest.raises(PipelineError, match="'ddd4bf48a3' has no try 3; it has had 2"):
        read(cluster, only=3)


def test_second_try_of_a_distributed_run_has_a_pod_for_each_process(api, cluster):
    names = [("a", "0", 0), ("b", "1", 0), ("c", "1", 1), ("d", "0", 2)]
    pods = []
    for name, index, minute in names:
        one = pod("Running", {"running": {}})
        labels = {**one["metadata"]["labels"], "batch.kubernetes.io/job-completion-index": index}
        created = f"2026-01-01T00:0{minute}:00Z"
        one["metadata"] = {"name": name, "labels": labels, "creationTimestamp": created}
        pods.append(one)
        api.objects[f"/api/v1/namespaces/t/pods/{name}/log"] = name.encode()
    api.put(JOBS, "t", job())
    api.put(PODS, "t", *pods)
    assert (read(cluster, only=1), read(cluster, only=2)) == (b"ab", b"cd")


def test_other_memory_is_another_job_of_the_same_run(api, cluster):
    two_tries(api)
    larger = job(FAILED)
    larger["metadata"] = {
        **larger["metadata"],
        "name": "a",
        "creationTimestamp": "2026-01-01T00:02:00Z",
    }
    third = pod("Succeeded", {"terminated": {"exitCode": 0}})
    third["metadata"] = {
        "name": "a-x",
        "labels": {"batch.kubernetes.io/job-name": "a"},
        "creationTimestamp": "2026-01-01T00:02:00Z",
    }
    jobs = api.objects["/apis/batch/v1/namespaces/t/jobs"]["items"]
    pods = api.objects["/api/v1/namespaces/t/pods"]["items"]
    api.put(JOBS, "t", larger, *jobs)
    api.put(PODS, "t", third, *pods)
    api.objects["/api/v1/namespaces/t/pods/a-x/log"] = b"finished\n"
    assert read(cluster, "waiting") == b"epoch 1\nresuming\nfinished\n"


def test_following_an_experiment_goes_on_from_its_data_to_its_run(api, cluster, monkeypatch):
    done = {"type": "Complete", "status": "True"}
    prepared = job(done)
    prepared["metadata"] = {"name": "data", "labels": {"ml-pipeline/data": "dddddddddd"}}
    preparing = pod("Succeeded", {"terminated": {"exitCode": 0}})
    preparing["metadata"] = {
        "name": "data-x",
        "labels": {"batch.kubernetes.io/job-name": "data"},
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    api.put(JOBS, "t", prepared)
    api.put(PODS, "t", preparing)
    api.objects["/api/v1/namespaces/t/pods/data-x/log"] = b"prepared\n"
    awaited = iter([True])

    def train(_):
        two_tries(api)

    monkeypatch.setattr(logs.time, "sleep", train)
    said = read(
        cluster, "waiting", follow=True, data="dddddddddd", awaits=lambda: next(awaited, False)
    )
    assert said == b"prepared\nepoch 1\nresuming\n"


def test_unknown_name_offers_those_that_are_there(api, cluster):
    two_tries(api)
    with pytest.raises(PipelineError, match="did you mean waiting[?]"):
        read(cluster, "waitin")


def test_name_that_can_be_no_label_asks_for_nothing(api, cluster):
    two_tries(api)
    with pytest.raises(PipelineError, match="no pod of 'a b' is there"):
        read(cluster, "a b")
