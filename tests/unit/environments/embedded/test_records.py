import json
import sys

import pytest
from ml_pipeline.adapters.files import write_whole
from ml_pipeline.environments.embedded import records
from ml_pipeline.environments.embedded.records import (
    Endpoints,
    JobRecord,
    PodSpec,
    PodStatus,
    SupervisorRecord,
)
from ml_pipeline.environments.embedded.state import DamagedStateError, State
from ml_pipeline.environments.records import SeenRevision
from ml_pipeline.rules.diagnosis.logs import JobTrace
from ml_pipeline.rules.rollout.evidence import PredictorStatus, ServingStatus, StepEvidence
from ml_pipeline.rules.rollout.latency import Latency

MANIFEST = {"metadata": {"name": "a", "labels": {"ml-pipeline/run": "0123456789"}}}


@pytest.fixture
def state(tmp_path):
    return State(tmp_path)


def test_job_says_nothing_of_what_has_not_happened(state):
    records.save_job(state, JobRecord("a", MANIFEST, "Pending", created=5.0))
    assert state.read("jobs/a") == {
        "name": "a",
        "manifest": MANIFEST,
        "phase": "Pending",
        "attempt": 0,
        "failures": 0,
        "created": 5.0,
    }


def test_job_of_an_older_version_is_taken_up(state):
    state.write("jobs/a", {"name": "a", "manifest": MANIFEST, "phase": "Running", "of": "old"})
    (record,) = records.jobs(state)
    assert (record.attempt, record.created, record.started) == (0, 0.0, None)
    assert record.labels == {"ml-pipeline/run": "0123456789"}


def test_job_that_is_forgotten_leaves_its_trace(state):
    record = JobRecord("a", MANIFEST, "Deleting", created=5.0)
    records.save_job(state, record)
    records.forget_job(state, record)
    assert records.job(state, "a") is None
    assert records.kept_traces(state) == [JobTrace("a", record.labels, 5.0)]


def test_what_is_not_there_is_none(state):
    read = (records.endpoints, records.revision, records.supervisor)
    assert [kind(state) for kind in read] == [None, None, None]
    assert records.pod_status(state, "a") is records.serving(state, "digits") is None


def test_endpoint_alone_is_what_a_bridge_keeps(state):
    records.save_endpoints(state, Endpoints(endpoint=8080))
    assert state.read("endpoints") == {"endpoint": 8080}
    assert records.endpoints(state) == Endpoints(0, 8080)


def test_first_revision_that_does_not_build_is_applied_nowhere(state):
    record = SeenRevision(None, "a" * 40, 5.0, 0.1, "does not build")
    records.save_revision(state, record)
    assert list(state.read("revision")) == ["seen", "at", "seconds", "error"]
    assert records.revision(state) == record


def test_supervisor_is_found_by_its_process(state):
    records.save_supervisor(state, SupervisorRecord(5, "local"))
    assert records.supervisor(state) == SupervisorRecord(5, "local")


def test_supervisor_that_is_told_to_end_is_another_thing_than_one_that_runs(state):
    records.save_supervisor(state, SupervisorRecord(5, "local"))
    for _ in range(2):  # it says so itself, and so does who tells it
        records.say_stopping(state)
    assert records.supervisor(state) is None
    assert records.stopping_supervisor(state) == SupervisorRecord(5, "local")
    records.forget_supervisor(state)
    assert records.stopping_supervisor(state) is None


READERS = {
    "endpoints": records.endpoints,
    "supervisor": records.supervisor,
    "stopping": records.stopping_supervisor,
    "revision": records.revision,
    "held": records.holds,
    "jobs/a": records.jobs,
    "logs/jobs/a": records.kept_traces,
    "serving/a": lambda state: records.serving(state, "a"),
    "pods/a/status": lambda state: records.pod_status(state, "a"),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("raw", [b"{", b"[1]", b'"x"', b"7"], ids=["cut", "list", "text", "number"])
def test_file_that_holds_something_else_is_damaged(state, name, raw):
    write_whole(state.file(name), raw)
    with pytest.raises(DamagedStateError) as error:
        READERS[name](state)
    assert error.value.path == state.file(name)


@pytest.mark.parametrize("name", ["jobs/a", "logs/jobs/a", "pods/a/status", "supervisor"])
def test_file_that_lacks_what_it_must_say_is_damaged(state, name):
    state.write(name, {})
    with pytest.raises(DamagedStateError, match="does not hold what belongs there"):
        READERS[name](state)


@pytest.mark.parametrize("name", ["jobs/a", "logs/jobs/a", "revision", "held", "pods/b/status"])
def test_what_an_environment_goes_on_from_is_checked(state, name):
    job = JobRecord("b", {"metadata": {"labels": {}}}, "Running", pod="b")
    records.save_job(state, job)
    records.check(state)
    write_whole(state.file(name), b"{")
    with pytest.raises(DamagedStateError, match="is no JSON"):
        records.check(state)


@pytest.mark.parametrize("ports", [{}, {"mlflow": 1}, {"endpoint": 1}])
def test_environment_that_is_up_has_both_addresses(state, ports):
    state.write("endpoints", ports)
    with pytest.raises(DamagedStateError, match="does not name the ports of what is up"):
        records.addresses(state)


def test_end_without_an_exit_code_is_no_success():
    with pytest.raises(KeyError, match="exit_code"):
        PodStatus.of({"phase": "Ended"})


def test_shim_reads_and_writes_these_records(state):
    """By their keys alone, as it knows nothing of this package."""
    from ml_pipeline.environments.embedded.shim import Container

    spec = PodSpec([sys.executable, "--version"], {"TERMINATION_LOG": ""}, "/", 1, 5, 0, [0])
    records.save_pod_spec(state, "a", spec)
    container = Container(str(state.pod("a")))
    assert container.spec == json.loads((state.pod("a") / "spec.json").read_bytes())
    container._write()
    assert records.pod_status(state, "a").is_running


SERVES = ServingStatus(
    "r1",
    model="digits",
    labels={"team": "vision"},
    state="Available",
    url="http://x",
    predictors=(PredictorStatus("digits-run-a", "x/a", 90, ready=True, message="ready"),),
    routed={"x/a": 90},
    evidence=(StepEvidence("x/a", 90, 30, 1, 2, Latency({5.0: 20, float("inf"): 29})),),
)


def test_serving_is_read_as_it_was_written(state):
    records.save_serving(state, SERVES)
    assert records.serving(state, "digits") == SERVES


def test_bounds_of_latency_are_text_on_the_disk(state):
    records.save_serving(state, SERVES)
    (row,) = state.read("serving/digits")["evidence"]
    assert row["latency"] == {"5.0": 20, "inf": 29}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"evidence": [{"run": 5}]}, "'weight'"),
        ({"evidence": 5}, "'int' object is not iterable"),
        ({"evidence": ["x"]}, "'str' object has no attribute 'get'"),
    ],
)
def test_evidence_that_cannot_be_read_is_told_when_it_is_due(change, fault):
    status = records.status_of({"rollout": "r1", "routed": {"x/a": 100}, **change})
    assert (status.rollout, status.routed, status.fault) == ("r1", {"x/a": 100}, fault)
    with pytest.raises(LookupError, match=fault):
        status.evidence_by_run()
