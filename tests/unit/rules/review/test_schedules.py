"""What a review says of schedules before they are merged."""

import pytest
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.review.faults import document_faults
from ml_pipeline.rules.review.schedules import schedule_consequences

from tests.support.recurring import PATH, recurring


def told(before, after) -> list[str]:
    found = list(schedule_consequences(Snapshot(before), Snapshot(after), [PATH]))
    assert all((one.kind, one.path) == ("schedules", PATH) for one in found)
    return [one.text for one in found]


def test_new_schedule_says_how_often_it_trains_and_what_a_month_costs(files):
    (text,) = told(files, recurring(files, promote="local"))
    assert text.startswith(
        "trains waiting on the newest data @daily in UTC, at most 30.4 times a month"
    )
    assert "and promotes to local what passes its gates: " in text
    assert " a month (p90 " in text


@pytest.mark.parametrize(
    ("old", "new"),
    [("'@daily'", "'@hourly'"), ("data: latest", "data: latest, timezone: Europe/Berlin")],
)
def test_other_schedule_is_told_anew(files, old, new):
    before = recurring(files)
    after = {**before, PATH: before[PATH].replace(old.encode(), new.encode())}
    assert len(told(before, after)) == 1


def test_schedule_of_a_file_that_is_mended_is_told(files):
    assert len(told({**files, PATH: b"kind: ["}, recurring(files))) == 1


def test_schedule_that_stays_is_not_told(files):
    before = recurring(files)
    after = {**before, PATH: before[PATH].replace(b"seed: 7", b"seed: 8")}
    assert told(before, after) == []


def test_schedule_that_goes_is_told(files):
    gone = ["waiting trains no more by itself (@daily in UTC)"]
    assert told(recurring(files), files) == gone
    assert told(recurring(files), {p: r for p, r in files.items() if p != PATH}) == gone


def test_dearer_schedule_says_that_it_is_dearer(files):
    def month(schedule) -> float:
        (text,) = told(files, recurring(files, schedule=schedule))
        return float(text.rpartition(": ")[2].split()[0])

    assert month("@hourly") > 20 * month("@daily") > 0


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("nowhere", "'nowhere' does not exist; known are"),
        ("production", "'production' takes no runs from local"),
    ],
)
def test_environment_that_takes_no_such_runs_is_refused(files, target, said):
    faults = document_faults(Snapshot(recurring(files, promote=target)), [PATH])
    (fault,) = faults
    assert (fault.key, said in fault.text) == ("retrain.promote", True)
