import pytest
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.environments.embedded.jobs import Jobs, explain, failure_action
from ml_pipeline.environments.embedded.logs import traces
from ml_pipeline.environments.embedded.records import JobRecord, PodStatus
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.rules.diagnosis.logs import JobTrace

RULES = [
    {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}},
    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
    {"action": "Ignore", "onExitCodes": {"operator": "In", "values": [143]}},
]


def manifest(name: str, cpu: str = "1", memory: str = "1Gi", **spec) -> dict:
    amounts = {"cpu": cpu, "memory": memory}
    container = {"name": "trainer", "resources": {"requests": amounts, "limits": amounts}}
    labels = {"pipeline": "ml-training", "ml-pipeline/experiment": name}
    whole = {
        "backoffLimit": 1,
        "podFailurePolicy": {"rules": RULES},
        "template": {"spec": {"containers": [container]}},
        **spec,
    }
    return {"kind": "Job", "metadata": {"name": name, "labels": labels}, "spec": whole}


def ended(code: int, reason: str = "Error", message: str = "", peak: int = 2**30) -> PodStatus:
    return PodStatus("Ended", exit_code=code, reason=reason, message=message, peak_bytes=peak)


class FakePods:
    """Pods whose end a test decides. tests/embedded/ runs the same controller over real ones."""

    def __init__(self):
        self.started, self.ends, self.stopped, self.removed = [], {}, [], []
        self.refuses = ""

    def start(self, name, spec):
        if self.refuses:
            raise PipelineError(self.refuses)
        self.started.append(name)

    def status(self, name):
        return self.ends.get(name, PodStatus("Running"))

    def end(self, name, code, reason="Error", message=""):
        self.ends[name] = ended(code, reason, message)

    def stop(self, name):
        self.stopped.append(name)
        return True

    def remove(self, name):
        self.removed.append(name)


@pytest.fixture
def pods():
    return FakePods()


@pytest.fixture
def jobs(tmp_path, pods, monkeypatch):
    monkeypatch.setattr("ml_pipeline.environments.embedded.jobs.FIRST_BACKOFF_SECONDS", 0.0)
    return Jobs(State(tmp_path), pods, cores=2, memory=4 * 2**30)


def record(jobs, name="a"):
    return jobs.state.read(f"jobs/{name}")


def run(jobs, times=1):
    for _ in range(times):
        jobs.tick()


def test_job_runs_to_its_end(jobs, pods):
    jobs.apply([manifest("a")])
    run(jobs)
    pods.end("a-1", 0)
    run(jobs)
    assert (record(jobs)["phase"], pods.started) == ("Complete", ["a-1"])


def test_a_thousand_applies_start_it_once(jobs, pods):
    for _ in range(1000):
        jobs.apply([manifest("a")])
        run(jobs)
    pods.end("a-1", 0)
    for _ in range(1000):
        jobs.apply([manifest("a")])
        run(jobs)
    assert pods.started == ["a-1"]


def test_template_under_a_known_name_is_not_applied(jobs, pods):
    jobs.apply([manifest("a")])
    run(jobs)
    jobs.apply([manifest("a", memory="2Gi")])
    assert record(jobs)["manifest"] == manifest("a")


@pytest.mark.parametrize(
    ("code", "reason", "action"),
    [
        (42, "Error", "FailJob"),
        (143, "Error", "Ignore"),
        (137, "Lost", "Ignore"),
        (1, "Error", "Count"),
        (137, "OOMKilled", "Count"),
    ],
)
def test_pod_failure_policy_decides(code, reason, action):
    assert failure_action(manifest("a")["spec"], ended(code, reason)) == action


def test_without_a_policy_failures_count():
    assert failure_action({}, ended(42)) == "Count"


def test_code_42_fails_the_job_at_once(jobs, pods):
    jobs.apply([manifest("a")])
    run(jobs)
    pods.end("a-1", 42)
    run(jobs, 3)
    assert (record(jobs)["phase"], record(jobs)["reason"], pods.started) == (
        "Failed",
        "PodFailurePolicy",
        ["a-1"],
    )


def test_failures_count_to_the_backoff_limit(jobs, pods):
    jobs.apply([manifest("a")])
    for attempt in (1, 2):
        run(jobs)
        pods.end(f"a-{attempt}", 1)
        run(jobs)
    assert (record(jobs)["reason"], pods.started) == ("BackoffLimitExceeded", ["a-1", "a-2"])


def test_disruptions_do_not_count(jobs, pods):
    jobs.apply([manifest("a")])
    for attempt in range(1, 10):
        run(jobs)
        pods.end(f"a-{attempt}", 143)
        run(jobs)
    run(jobs)
    assert (record(jobs)["phase"], record(jobs)["failures"]) == ("Running", 0)


def test_deadline_stops_the_pod_and_fails_the_job(jobs, pods):
    jobs.apply([manifest("a", activeDeadlineSeconds=0)])
    run(jobs, 2)
    assert pods.stopped == ["a-1"]
    pods.end("a-1", 143)
    run(jobs)
    assert (record(jobs)["phase"], record(jobs)["reason"]) == ("Failed", "DeadlineExceeded")


def test_pruned_job_is_stopped_and_forgotten(jobs, pods):
    jobs.apply([manifest("a")])
    run(jobs)
    jobs.apply([])
    run(jobs)
    assert (pods.stopped, pods.removed, record(jobs)) == (["a-1"], ["a-1"], None)


def test_trace_of_a_pruned_job_says_what_it_was_for_and_since_when(jobs, pods):
    jobs.apply([manifest("a")])
    created = record(jobs)["created"]
    jobs.apply([])
    run(jobs)
    (trace,) = traces(jobs.state)
    assert trace == JobTrace("a", manifest("a")["metadata"]["labels"], created)


def test_job_that_is_wanted_again_while_it_stops_runs_again(jobs, pods, monkeypatch):
    jobs.apply([manifest("a")])
    run(jobs)
    monkeypatch.setattr(pods, "stop", lambda name: False)
    jobs.apply([])
    run(jobs)
    jobs.apply([manifest("a")])
    monkeypatch.setattr(pods, "stop", lambda name: True)
    run(jobs, 3)
    assert (record(jobs)["phase"], pods.started) == ("Running", ["a-1", "a-1"])


def test_jobs_wait_for_room(jobs, pods):
    jobs.apply([manifest("a", cpu="2"), manifest("b", cpu="500m")])
    run(jobs)
    assert pods.started == ["a-1"]
    assert record(jobs, "b")["message"] == "waits for cpu: 0.5 asked, 0 of 2 free"


def test_memory_is_room_too(jobs, pods):
    jobs.apply([manifest("a", memory="3Gi"), manifest("b", memory="2Gi")])
    run(jobs)
    assert record(jobs, "b")["message"] == "waits for memory: 2048 MiB asked, 1024 MiB free"


def test_image_that_is_not_there_is_said(jobs, pods):
    pods.refuses = "no commit holds trainer/"
    jobs.apply([manifest("a")])
    run(jobs)
    assert (record(jobs)["phase"], record(jobs)["message"]) == (
        "Pending",
        "no commit holds trainer/",
    )


def test_another_controller_goes_on_from_the_files(jobs, pods, tmp_path):
    jobs.apply([manifest("a")])
    run(jobs)
    again = Jobs(State(tmp_path), pods, 2, 4 * 2**30)
    pods.end("a-1", 137, "Lost")
    run(again, 2)
    assert pods.started == ["a-1", "a-2"]


def test_memory_kill_names_the_line_to_change():
    whole = JobRecord("digits", manifest("digits"), "Running")
    text = explain(whole, ended(137, "OOMKilled", peak=1100 * 2**20))
    assert (
        text
        == "OOMKilled: used 1100 MiB, the limit is 1Gi; raise resources.memory in experiments/digits/experiment.yaml"
    )


def test_memory_kill_of_a_data_job_names_what_can_be_done():
    whole = JobRecord("data-1", manifest("x"), "Running")
    whole.manifest["metadata"]["labels"] = {"ml-pipeline/data": "2ba248db8f"}
    text = explain(whole, ended(137, "OOMKilled", peak=1100 * 2**20))
    assert (
        text
        == "OOMKilled: used 1100 MiB, the limit is 1Gi; use fewer rows, the data has to fit into it"
    )


@pytest.mark.parametrize(
    ("code", "message", "text"),
    [
        (42, "peak 9 MiB after 1.0 s\ncannot work: x.csv: row 2", "cannot work: x.csv: row 2"),
        (42, "peak 9 MiB after 1.0 s", "exit code 42; see `ml-pipeline logs a`"),
        (42, "", "exit code 42; see `ml-pipeline logs a`"),
        (1, "\nMLflow does not answer", "exit code 1: MLflow does not answer"),
        (1, "said by somebody's own trainer", "exit code 1: said by somebody's own trainer"),
    ],
)
def test_last_words_of_the_pod_are_the_reason(code, message, text):
    whole = JobRecord("a", manifest("a"), "Running")
    assert explain(whole, ended(code, message=message)) == text


def test_reason_is_one_line_of_300_characters(jobs, pods):
    jobs.apply([manifest("a")])
    run(jobs)
    pods.end("a-1", 42, message="peak 9 MiB after 1.0 s\n" + "x\n" * 5000)
    run(jobs)
    message = record(jobs)["message"]
    assert (len(message), "\n" in message) == (300, False)
