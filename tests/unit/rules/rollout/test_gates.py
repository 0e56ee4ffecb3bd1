import pytest
from ml_pipeline.documents.experiment import Gates
from ml_pipeline.rules.rollout.gates import failures, judge

GOOD = {"gate_accuracy": 0.9, "gate_latency_p99_ms": 10.0, "gate_memory_mb": 100.0}


def test_good_run_passes_all_four():
    assert failures(judge(Gates(), GOOD, signature=True)) == []


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("gate_accuracy", 0.7, "quality: 0.7 against 0.8"),
        ("gate_latency_p99_ms", 51.0, "latency: 51 against 50"),
        ("gate_memory_mb", 4096.0, "memory: 4096 against 2048"),
    ],
)
def test_value_beyond_its_limit_fails(name, value, text):
    assert failures(judge(Gates(), {**GOOD, name: value}, signature=True)) == [text]


@pytest.mark.parametrize("name", GOOD)
def test_missing_value_fails(name):
    measured = {key: value for key, value in GOOD.items() if key != name}
    assert len(failures(judge(Gates(), measured, signature=True))) == 1


def test_model_without_signature_fails():
    assert failures(judge(Gates(), GOOD, signature=False)) == ["signature: the model has none"]


def test_run_without_results_fails():
    assert failures(()) == ["no gate was measured"]
