import pytest
from ml_pipeline.layout import SHORT
from ml_pipeline.rules.diagnosis.job_view import views
from ml_pipeline.rules.diagnosis.pods import data_users, failure, note
from ml_pipeline.rules.identity.hashes import data_identity

RUN = "ddd4bf48a3"
LABELS = {"ml-pipeline/experiment": "waiting", "ml-pipeline/run": RUN}


def job(*conditions: dict, **spec) -> dict:
    return {
        "metadata": {"name": "j", "labels": LABELS},
        "spec": spec,
        "status": {"conditions": list(conditions)},
    }


def pod(phase: str, state: dict | None = None, **status) -> dict:
    wanted = {"cpu": "1", "memory": "1Gi"}
    container = {"image": "r/trainer@sha256:1", "resources": {"limits": wanted, "requests": wanted}}
    metadata = {
        "name": "j-x",
        "labels": {"batch.kubernetes.io/job-name": "j"},
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    statuses = [{"state": state}] if state else []
    return {
        "metadata": metadata,
        "spec": {"containers": [container]},
        "status": {"phase": phase, "containerStatuses": statuses, **status},
    }


def event(reason: str, message: str, name: str = "j") -> dict:
    return {
        "reason": reason,
        "message": message,
        "involvedObject": {"name": name},
        "lastTimestamp": "2026-01-01T00:00:00Z",
    }


def said(snapshot, a_job, *pods, events=()) -> str:
    (view,) = views([a_job], pods, events)
    return note(view, snapshot)


def killed(code: int, reason: str = "Error", message: str = "") -> dict:
    return {"terminated": {"exitCode": code, "reason": reason, "message": message}}


FAILED = {
    "type": "Failed",
    "status": "True",
    "reason": "BackoffLimitExceeded",
    "message": "Job has reached the specified backoff limit",
}


@pytest.mark.parametrize(
    ("a_job", "pods", "events", "text"),
    [
        (job({"type": "Complete", "status": "True"}), [], [], ""),
        (job(), [pod("Running", {"running": {}})], [], ""),
        (job(), [], [], "waits for the Job controller"),
        (job(suspend=True), [], [], "is suspended by hand; resume it with spec.suspend: false"),
        (
            job(),
            [],
            [
                event(
                    "FailedCreate",
                    "Error creating: pods x is forbidden: exceeded quota: pools, requested: requests.cpu=4, used: requests.cpu=3, limited: requests.cpu=6",
                )
            ],
            "quota pools: asked requests.cpu=4, used requests.cpu=3 of requests.cpu=6; wait for other runs, or raise the pools in environment.yaml",
        ),
        (
            job(),
            [],
            [
                event(
                    "FailedCreate", 'Error creating: pods "j-x" is forbidden: violates PodSecurity.'
                )
            ],
            'its pod is refused: pods "j-x" is forbidden: violates PodSecurity',
        ),
        (
            job(),
            [pod("Pending", {"waiting": {"reason": "ImagePullBackOff"}})],
            [],
            "ImagePullBackOff: cannot pull r/trainer@sha256:1; push the image, or correct images.trainer in environment.yaml",
        ),
        (
            job(),
            [
                pod(
                    "Pending",
                    {
                        "waiting": {
                            "reason": "CreateContainerConfigError",
                            "message": 'secret "x" not found',
                        }
                    },
                )
            ],
            [],
            'CreateContainerConfigError: secret "x" not found; make what it names',
        ),
        (
            job(),
            [pod("Pending")],
            [event("FailedMount", "MountVolume.SetUp failed\nmore", "j-x")],
            "FailedMount: MountVolume.SetUp failed; see the PersistentVolumeClaim",
        ),
        (
            job(),
            [pod("Failed", killed(255))],
            [],
            "its node lost the container; the next try goes on from the last checkpoint",
        ),
        (
            job(),
            [pod("Failed", killed(143))],
            [],
            "stopped by SIGTERM after a checkpoint; the next try goes on from there",
        ),
        (
            job(),
            [pod("Failed", reason="Evicted", message="The node was low on resource: memory. ")],
            [],
            "Evicted: The node was low on resource: memory; the next try starts from its checkpoint",
        ),
    ],
)
def test_note_says_what_a_job_waits_for(snapshot, a_job, pods, events, text):
    assert said(snapshot, a_job, *pods, events=events) == text


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (
            "0/3 nodes are available: 3 Insufficient memory. no new claims to deallocate",
            "unschedulable: memory 1Gi asked, pool laptop has 1 x 6Gi; wait, or lower resources.memory in experiments/waiting/experiment.yaml:",
        ),
        (
            "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. x",
            "unschedulable: 0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector; see",
        ),
        (
            '0/1 nodes are available: persistentvolumeclaim "checkpoints" not found. x',
            'unschedulable: persistentvolumeclaim "checkpoints" not found; make the claim',
        ),
    ],
)
def test_unschedulable_names_resource_pool_and_line(snapshot, message, text):
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": message,
    }
    assert said(snapshot, job(), pod("Pending", conditions=[condition])).startswith(text)


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (
            killed(137, "OOMKilled", "peak 998 MiB after 3.2 s"),
            "OOMKilled: the limit is 1Gi, last known peak 998 MiB after 3.2 s; raise resources.memory in experiments/waiting/",
        ),
        (killed(137, "OOMKilled"), "OOMKilled: the limit is 1Gi; raise resources.memory"),
        (
            killed(137, "Error", "peak 1010 MiB after 3.2 s"),
            "OOMKilled: the limit is 1Gi, last known peak 1010 MiB",
        ),
        (
            killed(137, "Error", "peak 200 MiB after 3.2 s"),
            f"exit code 137; see `ml-pipeline logs {RUN}`",
        ),
        (
            killed(42),
            f"exit code 42, it can never work; see `ml-pipeline logs {RUN}`, correct experiment or data",
        ),
        (killed(1), f"exit code 1; see `ml-pipeline logs {RUN}`"),
    ],
)
def test_failure_names_the_cause_of_the_last_try(snapshot, state, text):
    (view,) = views([job(FAILED)], [pod("Failed", state)], ())
    assert failure(view, snapshot).startswith(f"BackoffLimitExceeded: {text}")


def test_failure_without_pods_says_what_the_job_says(snapshot):
    assert (
        said(snapshot, job(FAILED))
        == "BackoffLimitExceeded: Job has reached the specified backoff limit"
    )


def test_deadline_names_the_line_of_the_budget(snapshot):
    late = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "x"}
    text = said(snapshot, job(late, activeDeadlineSeconds=60))
    assert text.startswith(
        "DeadlineExceeded: ran longer than 60 s; raise budget.max_duration in experiments/waiting/experiment.yaml:"
    )


def test_job_in_a_queue_waits_for_kueue(snapshot):
    queued = job(suspend=True)
    queued["metadata"] = {
        "name": "j",
        "labels": {**LABELS, "kueue.x-k8s.io/queue-name": "training"},
    }
    assert said(snapshot, queued) == "waits for admission by Kueue's queue training"


def test_pods_and_events_belong_to_their_job():
    (view,) = views(
        [job()],
        [pod("Running", {"running": {}})],
        [event("Started", "x", "j-x"), event("Started", "y", "other")],
    )
    assert (len(view.pods), len(view.events), view.phase, view.identity) == (1, 1, "Running", RUN)


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (
            killed(42, message="peak 187 MiB after 3.2 s\ncannot work: x.csv: row 2; correct it"),
            "BackoffLimitExceeded: cannot work: x.csv: row 2; correct it",
        ),
        (
            killed(1, message="\nMLflow does not answer; start it"),
            "BackoffLimitExceeded: exit code 1: MLflow does not answer; start it",
        ),
        (
            killed(137, "OOMKilled", "peak 998 MiB after 3.2 s\ncannot work: x; y"),
            "BackoffLimitExceeded: OOMKilled: the limit is 1Gi, last known peak 998 MiB after 3.2 s; raise",
        ),
    ],
)
def test_last_words_of_the_trainer_are_the_reason(snapshot, state, text):
    assert said(snapshot, job(FAILED), pod("Failed", state)).startswith(text)


def test_reason_is_one_line_of_300_characters(snapshot):
    text = said(snapshot, job(FAILED), pod("Failed", killed(42, message="x\n" * 5000)))
    assert (len(text), "\n" in text) == (300, False)


def test_data_is_named_by_the_experiments_that_use_it(snapshot):
    short = data_identity(snapshot.experiments["waiting"])[:SHORT]
    assert "waiting" in data_users(snapshot, short)
    assert data_users(snapshot, "0" * SHORT) == []
    a_job = {**job(FAILED), "metadata": {"name": "j", "labels": {"ml-pipeline/data": short}}}
    text = said(snapshot, a_job, pod("Failed", killed(42, message="cannot work: x; y")))
    users = ", ".join(data_users(snapshot, short)[:3])
    assert text.startswith(f"data of {users}")
    assert text.endswith(": BackoffLimitExceeded: cannot work: x; y")
