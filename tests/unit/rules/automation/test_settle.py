"""One thing that has ended, and the receipt that is committed of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ml_pipeline.documents.reader import read
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.automation.observed import Observed
from ml_pipeline.rules.automation.settle import settle
from ml_pipeline.rules.identity.awaited import run_identity_of
from ml_pipeline.rules.identity.hashes import data_identity
from ml_pipeline.rules.money.estimates import History

from tests.conftest import FIXTURES, folder
from tests.support.simulate import PREPARED, finished, trained

VALID = Snapshot(folder(FIXTURES / "valid"))
WAITING = VALID.experiments["waiting"]
RUN = run_identity_of(VALID, WAITING)
SHORT = RUN[:10]
DATA = data_identity(WAITING)
PATH = "experiments/waiting/experiment.yaml"


def settled(identity: str = RUN, **seen):
    observed = Observed("local", **seen)
    return settle(VALID, WAITING, identity, observed=observed, history=History(VALID))


def succeeded(*, requested=None, commits=None, **result):
    left = finished({**trained(RUN), **result})
    return settled(results={RUN: left}, requested=requested or {}, commits=commits or {})


def prepared(**result):
    return settled(DATA, results={DATA: finished({**PREPARED, **result})})


def test_what_has_neither_finished_nor_failed_has_no_receipt():
    assert settled() is None
    assert settled(failed={"0" * 10: "another Job"}) is None


def test_failure_does_not_count_while_its_result_may_be_there():
    assert settled(failed={SHORT: "x"}, unknown=frozenset({RUN})) is None
    assert settled(failed={SHORT: "x"}, unknown=frozenset({DATA})) is not None


def test_result_counts_even_where_another_pod_is_not_heard_of():
    left = {RUN: finished(trained(RUN))}
    document = settled(results=left, failed={SHORT: "x"}, unknown=frozenset({RUN})).document
    assert document.outcome == "succeeded"


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("", "ended without a reason; correct experiment or data and submit again"),
        ("OOMKilled", "OOMKilled; correct experiment or data and submit again"),
        ("OOMKilled; raise resources.memory", "OOMKilled; raise resources.memory"),
        ("a\nb", "a b; correct experiment or data and submit again"),
    ],
)
def test_receipt_of_a_failure_ends_with_one_repair(said, kept):
    settlement = settled(failed={SHORT: said})
    assert settlement.document.reason == kept
    assert settlement.subject == f"Record failed run waiting/{SHORT}"
    assert settlement.reason.startswith(f"{kept}\n\n")
    assert "`ml-pipeline withdraw`" in settlement.reason


@given(st.text(), st.sampled_from([RUN, DATA]))
def test_whatever_a_pod_says_its_receipt_is_one_that_readers_take(said, identity):
    settlement = settled(identity, failed={identity[:10]: said})
    document, _ = read(settlement.path, settlement.raw)
    assert document == settlement.document
    assert document.identity == identity


def test_run_is_written_where_its_identity_is_looked_for():
    settlement = succeeded()
    assert settlement.path == f"experiments/waiting/runs/{SHORT}.yaml"
    assert (settlement.document.id, settlement.document.identity) == (SHORT, RUN)
    assert Snapshot({**VALID.files, settlement.path: settlement.raw}).runs[RUN].outcome


def test_commit_of_a_run_names_the_gates_that_it_lacks():
    assert succeeded().reason.startswith("All gates passed. Trained 60 s as MLflow run 1111")
    weak = succeeded(metrics={**trained(RUN)["metrics"], "gate_accuracy": 0.5})
    assert weak.document.outcome == "succeeded"
    assert weak.reason.startswith("Gates failed: quality: 0.5 against 0.9. Trained 60 s")


@pytest.mark.parametrize(
    ("requested", "queued_s"),
    [
        ({}, 0.0),
        ({"0" * 10: "2025-12-31T23:00:00Z"}, 0.0),
        ({SHORT: "2025-12-31T23:59:30Z"}, 30.0),
        ({SHORT: "2026-01-01T01:59:30+02:00"}, 30.0),
        ({SHORT: "2026-01-01T00:00:01Z"}, 0.0),
    ],
    ids=["unknown", "another's", "half a minute", "another zone", "clocks disagree"],
)
def test_run_has_waited_from_its_commit_to_its_start(requested, queued_s):
    assert succeeded(requested=requested).document.queued_s == queued_s


@pytest.mark.parametrize(("commits", "commit"), [({PATH: "abc"}, "abc"), ({}, "unknown")])
def test_run_names_the_commit_of_its_experiment(commits, commit):
    assert succeeded(commits=commits).document.commit == commit


@pytest.mark.parametrize(
    ("left", "kept", "passes"),
    [
        ({"inputs": "float32 [-1]", "outputs": "int64 [-1]"}, ("float32 [-1]", "int64 [-1]"), True),
        (True, None, True),
        (False, None, False),
        (None, None, False),
    ],
)
def test_signature_is_kept_where_the_trainer_says_which(left, kept, passes):
    document = succeeded(signature=left).document
    found = document.signature
    assert (found and (found.inputs, found.outputs)) == kept
    assert {gate.name: gate.passed for gate in document.gates}["signature"] is passes


def test_run_costs_what_its_pool_costs_for_as_long_as_it_ran():
    one, two = (succeeded(duration_s=seconds).document.cost for seconds in (3600.0, 7200.0))
    assert (one.pool, one.currency) == ("laptop", "USD")
    assert two.amount == pytest.approx(2 * one.amount, rel=0.01)


def test_identity_that_the_experiment_does_not_ask_for_is_a_bug_here():
    with pytest.raises(AssertionError):
        settled("f" * 64, failed={"f" * 10: "x"})


def test_prepared_data_has_its_columns_in_its_receipt():
    settlement = prepared()
    assert settlement.path == f"experiments/waiting/data/{DATA[:10]}.yaml"
    assert settlement.document.columns[0].name == "pixel"
    assert settlement.reason == f"1797 rows of bundled://digits prepared, sha256 {'c' * 64}."


def test_result_does_not_decide_what_its_receipt_is_called():
    document = prepared(identity="f" * 64, environment="production", kind="Run").document
    assert (document.identity, document.environment, document.kind) == (
        DATA,
        "local",
        "DataVersion",
    )


@pytest.mark.parametrize("uri", ["mlflow/1/x.npz", "database/x.npz", "data"])
def test_prepared_data_has_a_folder_of_its_own_in_the_store(uri):
    document = prepared(data={**PREPARED["data"], "uri": uri}).document
    assert document.data is None
    assert f"data.uri: '{uri}' must lie below data/; correct" in document.reason


def test_receipt_that_readers_would_refuse_is_one_of_a_failure():
    column = {**PREPARED["columns"][0], "name": "n" * 100}
    document = prepared(columns=[column] * 3000).document
    assert document.data is None
    assert document.reason.startswith("its receipt cannot be kept: the file ")
