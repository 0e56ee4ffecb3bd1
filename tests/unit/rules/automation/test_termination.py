"""Whose word counts: hostile messages and receipts, each with what becomes of it."""

import json

import pytest
from ml_pipeline.documents.results import Finished, TerminationMessage
from ml_pipeline.rules.automation.observed import ObservedJob, PodEnd
from ml_pipeline.rules.automation.termination import message_of, read_messages, verify

from tests.support.simulate import trained, word

IDENTITY, OTHER = "a" * 64, "b" * 64
RECEIPT = json.dumps(trained(IDENTITY)).encode()
MODEL = trained(IDENTITY)["artifact"]["uri"]
WORD = word(RECEIPT, IDENTITY)


def said(found: TerminationMessage = WORD) -> PodEnd:
    return PodEnd(0, f"peak 5 MiB after 1.0 s\n{found.model_dump_json()}")


def job(*pods: PodEnd, name="j", is_complete=True, ended="2026-01-01T00:00:00Z") -> ObservedJob:
    return ObservedJob(name, IDENTITY[:10], is_complete, ended, "delete it", pods)


def held(*jobs: ObservedJob, results=None, refused=None) -> list[str]:
    heard = read_messages(jobs, {IDENTITY})
    vouched = verify(heard, results or {}, refused or {})
    assert vouched.results == {}
    assert all(hold.reason.isprintable() and len(hold.reason) <= 900 for hold in vouched.holds)
    if vouched.holds:
        assert vouched.unknown == {IDENTITY}  # and so no failure is recorded
    return [hold.reason for hold in vouched.holds]


def body(**change) -> str:
    return "\n" + json.dumps({**WORD.model_dump(), **change})


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("", "its pod has left no word of a result but ''"),
        ("peak 5 MiB after 1.0 s", "no word of a result but 'peak 5 MiB after 1.0 s'"),
        ("A" * 4096, "no word of a result but 'AAA"),
        ("\n" * 4096, "no word of a result but ''"),
        ("\n{" + "A" * 4094, "its pod is not JSON"),
        ("\n{" + '"a":' * 1000, "its pod is not JSON"),
        ("\n" + json.dumps({"x": "y" * 5000}), "bytes, 4096 are kept of one"),
        (body(more=1), "more: '1' "),
        (body(mlflow_run="../" + "1" * 29), "mlflow_run: '../111"),
        (body(mlflow_run=5), "mlflow_run: '5' "),
        (body(receipt_sha256="A" * 64), "receipt_sha256: 'AAA"),
        (body(receipt_sha256=None), "receipt_sha256: None"),
        (body(identity=OTHER), "its pod speaks of bbbbbbbbbb"),
        ("\n{}", "identity is missing, and 2 more faults"),
        (body() + "\nand more", "is not JSON"),
        (body(identity="\x1b[31m"), "identity: '\\x1b[31m' must be 64 hex digits"),
    ],
)
def test_message_that_is_no_word_holds_its_job_in_one_line(message, text):
    (reason,) = held(job(PodEnd(0, message)))
    assert reason.startswith("Job j has finished, and ")
    assert text in reason
    assert "; delete it (" in reason


def test_job_whose_pods_are_gone_is_held():
    (reason,) = held(job())
    assert reason.startswith("Job j has finished, and none of its pods is left to say")


def test_job_that_has_not_ended_is_waited_for():
    assert held(job(is_complete=False, ended="")) == []


def test_job_that_has_failed_and_said_nothing_has_failed():
    heard = read_messages(
        [job(PodEnd(42, "peak 5 MiB\ncannot work: {x}"), is_complete=False)], {IDENTITY}
    )
    assert verify(heard, {}, {}).unknown == frozenset()


def test_job_of_the_same_run_that_still_runs_is_waited_for():
    assert held(job(), job(name="k", is_complete=False, ended="")) == []


def test_of_two_tries_the_last_that_says_anything_counts():
    first, second = word(b"1", IDENTITY), word(b"2", IDENTITY)
    assert message_of(job(said(first), said(second)), IDENTITY) == second
    assert message_of(job(said(first), PodEnd(137, "peak 5 MiB")), IDENTITY) == first
    assert message_of(job(said(first), PodEnd(0, "x" * 4096)), IDENTITY) == first


def test_of_two_jobs_the_last_one_counts():
    """Such as one with more memory, which has found what the other left and finished it once more."""
    first, second = word(b"1", IDENTITY), word(b"2", IDENTITY)
    old = job(said(first), name="z", ended="2026-01-01T00:00:00Z")
    for ended in ("2026-01-02T00:00:00Z", ""):
        new = job(said(second), name="a", ended=ended)
        assert read_messages([old, new], {IDENTITY}).by_identity == {IDENTITY: second}


def test_way_out_is_never_cut_off():
    again = f"delete the Job with `kubectl -n {'n' * 63} delete job {'j' * 63}`"
    long = ObservedJob("j" * 63, IDENTITY[:10], True, "2026-01-01T00:00:00Z", again, (said(),))  # noqa: FBT003
    (reason,) = held(long, refused={IDENTITY: "x" * 5000})
    assert reason.endswith(again)


def test_word_counts_however_the_pod_ended():
    """It is written last: what comes after it, such as a node that goes, changes nothing."""
    killed = PodEnd(137, said().message)
    assert read_messages([job(killed, is_complete=False)], {IDENTITY}).by_identity == {
        IDENTITY: WORD
    }


@pytest.mark.parametrize(
    ("receipt", "folders", "text"),
    [
        (b"{}", ("mlflow/1/models",), "is not what its pod has left (SHA-256 "),
        (b"", ("mlflow/1/models",), "is not what its pod has left"),
        (RECEIPT + b" ", ("mlflow/1/models",), "is not what its pod has left"),
        (b"x" * 2**20, ("mlflow/1/models",), "is not what its pod has left"),
        (RECEIPT, (), "does not lie below MLflow run 1111"),
        (RECEIPT, ("mlflow/1/models/m-other/artifacts",), "does not lie below MLflow run 1111"),
        (RECEIPT, (MODEL[:-1],), "does not lie below MLflow run 1111"),
    ],
)
def test_receipt_that_the_pod_does_not_vouch_for_is_not_taken(receipt, folders, text):
    found = Finished(WORD, receipt, folders)
    (reason,) = held(job(said()), results={IDENTITY: found})
    assert reason.startswith("Job j: ")
    assert text in reason
    assert reason.endswith("it is not taken: restore it in MLflow, or delete it")


def test_run_that_mlflow_does_not_have_is_held():
    (reason,) = held(job(said()), refused={IDENTITY: "MLflow run 1 is deleted"})
    assert "MLflow run 1 is deleted; it is not taken" in reason


def test_what_mlflow_could_not_be_asked_of_is_unknown_and_no_fault_of_the_job():
    vouched = verify(read_messages([job(said())], {IDENTITY}), {}, {})
    assert (vouched.holds, vouched.unknown) == ((), {IDENTITY})


def test_receipt_that_its_pod_vouches_for_is_taken():
    found = Finished(WORD, RECEIPT, (MODEL,))
    assert verify(read_messages([job(said())], {IDENTITY}), {IDENTITY: found}, {}).results == {
        IDENTITY: found
    }
