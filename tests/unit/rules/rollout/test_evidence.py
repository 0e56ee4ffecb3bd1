import pytest
from ml_pipeline.rules.rollout.evidence import ServingStatus, StepEvidence
from ml_pipeline.rules.rollout.latency import Latency


def test_only_what_was_answered_right_and_timed_speaks_for_a_predictor():
    evidence = StepEvidence("x/a", 10, 100, 5, 3, Latency({5.0: 80}))
    assert evidence.counted == 80
    assert StepEvidence("x/a", 10, 100, 30, 3, Latency({5.0: 80})).counted == 70


def test_evidence_is_found_by_its_run():
    evidence = StepEvidence("x/a", 10, 100, 5, 3, Latency())
    assert ServingStatus("r1", evidence=(evidence,)).evidence_by_run() == {"x/a": evidence}


def test_evidence_that_could_not_be_read_is_not_taken_for_none():
    with pytest.raises(LookupError, match="weight"):
        ServingStatus("r1", fault="'weight'").evidence_by_run()
