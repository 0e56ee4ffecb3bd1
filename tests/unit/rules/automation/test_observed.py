import pytest
from ml_pipeline.rules.automation.observed import Hold, ObservedJob

JOB = ObservedJob(
    "digits-0123456789",
    "0123456789",
    is_complete=True,
    ended="2026-01-02T03:04:05Z",
    again="delete it",
)


def test_hold_names_the_job_and_the_minute_of_its_end():
    assert JOB.hold("no receipt") == Hold("Job digits-0123456789", "no receipt", "2026-01-02 03:04")


def test_hold_of_a_job_that_has_not_ended_has_no_time():
    running = ObservedJob("a", "0123456789", is_complete=False, ended="", again="delete it")
    assert running.hold("no receipt").since == ""


@pytest.mark.parametrize("text", ["a\nb", "a\r\n\n  b", "x" * 5000, "a\x1b[31mb"])
def test_reason_is_one_line_that_fits_whatever_a_pod_says(text):
    reason = JOB.hold(text).reason
    assert reason.isprintable()
    assert len(reason) <= 900
