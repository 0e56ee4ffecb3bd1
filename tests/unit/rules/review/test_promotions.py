"""Which run may serve, in whose place."""

import pytest
from ml_pipeline.documents.receipts import GateResult, Signature
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.documents.writer import to_document
from ml_pipeline.rules.review.promotions import promotion_faults

from tests.conftest import FIXTURES, folder

VALID = folder(FIXTURES / "valid")
PATH = "environments/local/promotions/digits.yaml"
STAGING = "environments/staging/promotions/digits.yaml"
FACTS = "environments/staging/environment.yaml"
COMPONENT = "environments/local/rollouts/digits/kustomization.yaml"
GOOD, BETTER, BROKEN = "good/31a4e76e1a", "better/c39d9a14b0", "broken/970e519fc8"
TAKES_MORE = Signature(inputs="float32 [-1, 64]", outputs="float32 [-1, 10]")
GIVES_MORE = Signature(inputs="float32 [-1, 1, 8, 8]", outputs="float32 [-1, 11]")


def faults(files=VALID, path: str = PATH, **changed) -> list[str]:
    snapshot = Snapshot(files)
    promotion = Snapshot(VALID).document(PATH).model_copy(update=changed)
    return [f"{fault.key}: {fault.text}" for fault in promotion_faults(snapshot, path, promotion)]


def with_run(reference: str, **changed) -> dict[str, bytes]:
    """The valid tree with a receipt that says something else."""
    path = "experiments/{}/runs/{}.yaml".format(*reference.split("/"))
    run = Snapshot(VALID).document(path).model_copy(update=changed)
    return {**VALID, path: to_document(path, run)}


def test_sound_promotion_has_no_fault():
    assert faults() == []


def test_promotion_of_another_model_than_its_file_s_is_told():
    text = faults(path="environments/local/promotions/letters.yaml")[0]
    assert text.startswith("model: 'digits' differs from the file's name 'letters.yaml'; ")


def test_unknown_environment_is_the_one_fault_that_is_told():
    (text,) = faults(path="environments/nowhere/promotions/digits.yaml", run="x/0123456789")
    assert text.endswith("does not exist; known are local, production, staging")


@pytest.mark.parametrize("key", ["run", "baseline"])
def test_run_without_a_receipt_is_told_where_it_is_named(key):
    (text,) = faults(**{key: "x/0123456789"})
    assert text.startswith(
        f"{key}: 'x/0123456789' has no receipt experiments/x/runs/0123456789.yaml; "
    )


def test_run_of_another_model_cannot_serve():
    (text,) = faults(with_run(BETTER, model="letters"))
    assert text.startswith(f"run: '{BETTER}' trained the model 'letters', not 'digits'; ")


def test_run_comes_from_where_the_environment_takes_them():
    there = VALID | {STAGING.replace("promotions/digits", "rollouts/digits/kustomization"): b""}
    told = faults(there, STAGING)
    assert [text.partition(":")[0] for text in told] == ["run", "baseline"]
    assert told[0].endswith(
        "was trained in 'local', from which staging takes none; see promotes_from"
    )
    assert faults({**there, FACTS: VALID[FACTS] + b"promotes_from: [local]\n"}, STAGING) == []


def test_run_that_failed_is_told_with_its_reason_and_nothing_more():
    (text,) = faults(run=BROKEN)
    assert text.startswith(f"run: '{BROKEN}' failed (")
    assert text.endswith("; promote a run that succeeded")


def test_run_without_a_model_cannot_serve():
    (text,) = faults(with_run(BETTER, artifact=None))
    assert text == f"run: '{BETTER}' has no model in its receipt; promote another run"


def test_every_gate_that_fails_is_told():
    gates = [GateResult(name=name, passed=name == "latency") for name in ("quality", "latency")]
    gates.append(GateResult(name="memory", passed=False, value=2000.0, limit=1500.0))
    told = faults(with_run(BETTER, gates=tuple(gates)))
    assert len(told) == 2
    assert "fails its gate, memory: 2000 against 1500" in told[1]


def test_run_whose_gates_nobody_measured_cannot_serve():
    (text,) = faults(with_run(BETTER, gates=()))
    assert "fails its gate, " in text


def test_baseline_is_another_run():
    (text,) = faults(baseline=BETTER)
    assert text.startswith(f"baseline: '{BETTER}' is also the run; ")


def test_promotion_without_a_baseline_is_sound():
    assert faults(baseline=None) == []


@pytest.mark.parametrize(
    ("signature", "change"),
    [
        (TAKES_MORE, "takes float32 [-1, 64], its baseline float32 [-1, 1, 8, 8]; promote"),
        (GIVES_MORE, "gives float32 [-1, 11], its baseline float32 [-1, 10]; promote"),
    ],
)
def test_what_the_callers_of_the_baseline_would_see_is_told(signature, change):
    files = with_run(BETTER, signature=signature)
    (text,) = faults(files)
    assert change in text
    assert faults(files, accept_signature_change=True) == []
    assert faults(files, baseline=None) == []


def test_signature_that_no_receipt_tells_is_not_compared():
    assert faults(with_run(GOOD, signature=None)) == []
    assert faults(with_run(BETTER, signature=None)) == []


def test_promotion_by_hand_lacks_the_place_of_its_weights():
    (text,) = faults({path: raw for path, raw in VALID.items() if path != COMPONENT})
    assert text.startswith(f"model: 'digits' has no {COMPONENT}; ")
