"""Moments of schedules, and which schedules are none."""

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ml_pipeline.documents import recurrence
from ml_pipeline.documents.faults import InvalidDocumentsError
from ml_pipeline.documents.recurrence import (
    interval_of,
    last_due,
    moment_of,
    moments,
    times_a_month,
)
from ml_pipeline.documents.snapshot import load_snapshot

from tests.support.recurring import NAME, PATH, recurring

BERLIN = "Europe/Berlin"
minutes = st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC)).map(
    lambda moment: moment.replace(second=0, microsecond=0)
)


@given(minutes)
def test_name_of_an_interval_says_its_moment(moment):
    assert moment_of(interval_of(moment)) == moment


@given(minutes, minutes)
def test_names_sort_as_moments_do(first, second):
    assert (interval_of(first) < interval_of(second)) == (first < second)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "20260131",
        "20260131T1200",
        "2026131T1200Z",
        "20260231T1200Z",
        "20260131T2400Z",
        " 20260131T1200Z",
    ],
)
def test_what_names_no_minute_is_no_interval(name):
    with pytest.raises(ValueError, match=r"."):
        moment_of(name)


@given(minutes, st.sampled_from(["@hourly", "@daily", "30 2 * * *", "*/15 2 * * *", "0 3 * * 1"]))
def test_last_due_moment_is_the_last_before_the_next(now, cron):
    last = last_due(cron, BERLIN, now)
    assert last <= now
    assert next(moments(cron, BERLIN, last)) > now


def test_hour_that_a_clock_skips_fires_at_its_end_and_one_that_it_repeats_once():
    skipped = list(islice(moments("30 2 * * *", BERLIN, datetime(2026, 3, 28, tzinfo=UTC)), 3))
    assert [moment.strftime("%d %H:%M") for moment in skipped] == [
        "28 01:30",
        "29 01:00",
        "30 00:30",
    ]
    repeated = list(islice(moments("30 2 * * *", BERLIN, datetime(2026, 10, 24, tzinfo=UTC)), 3))
    assert [moment.strftime("%d %H:%M") for moment in repeated] == [
        "24 00:30",
        "25 00:30",
        "26 01:30",
    ]


@pytest.mark.parametrize("zone", ["UTC", BERLIN, "America/St_Johns"])
def test_day_of_a_daily_schedule_comes_once_in_a_year(zone):
    start = datetime(2026, 1, 1, tzinfo=UTC)
    found = list(islice(moments("15 2 * * *", zone, start), 365))
    assert len({moment.date() for moment in found}) == 365
    assert found[-1] - found[0] < timedelta(days=365)


@pytest.mark.parametrize(
    ("cron", "times"),
    [
        ("@daily", 30.4),
        ("@hourly", 730),
        ("@monthly", 1),
        ("@yearly", 1 / 12),
        ("*/5 * * * *", 8760),
        ("0 0 29 2 *", 0),
    ],
)
def test_times_a_month_are_those_of_a_year(cron, times):
    assert times_a_month(cron, "UTC") == pytest.approx(times, rel=0.02, abs=0.03)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("schedule: '@sometimes'", "is no cron expression; write five fields"),
        ("schedule: '0 0 30 2 *'", "never fires or is wrong (bad day-of-month)"),
        ("schedule: '61 * * * *'", "never fires or is wrong (bad minute)"),
        ("schedule: '0 0 0 * * *'", "is no cron expression"),
        ("schedule: '0 0 L * *'", "is no cron expression"),
        ("schedule: 5", "is no cron expression"),
        (
            "schedule: '@daily'\nretrain: {timezone: Mars/Olympus}",
            "is no time zone; write one such as",
        ),
        ("schedule: '@daily'\nretrain: {timezone: ../../etc/passwd}", "is no time zone"),
        ("schedule: '@daily'\nretrain: {timezone: ''}", "is no time zone"),
        ("schedule: '@daily'\nretrain: {data: yesterday}", "must start with one of"),
        ("schedule: '@daily'\nretrain: {data: 's3://b/%d-%q.csv'}", "holds a '%' that is none of"),
        ("schedule: '@daily'\nretrain: {promotes: local}", "did you mean promote?"),
    ],
)
def test_what_is_no_schedule_is_refused_with_the_repair(files, line, said):
    text = recurring(files)[PATH].decode()
    kept = [one for one in text.splitlines() if not one.startswith(("schedule", "retrain"))]
    files = {**files, PATH: ("\n".join(kept) + f"\n{line}\n").encode()}
    with pytest.raises(InvalidDocumentsError) as error:
        load_snapshot(files)
    (fault,) = error.value.faults
    assert said in fault.text
    assert fault.path == PATH


def test_data_that_never_changes_has_no_schedule(files):
    files = {**files, PATH: files[PATH] + b"schedule: '@daily'\n"}
    with pytest.raises(InvalidDocumentsError, match="bundled://digits never changes"):
        load_snapshot(files)


def test_source_of_an_interval_may_be_named_by_its_day(files):
    text = recurring(files)[PATH].replace(b"data: latest", b"data: 's3://sales/%Y/%m/%d.csv'")
    experiment = load_snapshot({**files, PATH: text}).experiments[NAME]
    assert experiment.source_at(datetime(2026, 3, 1, tzinfo=UTC)) == "s3://sales/2026/03/01.csv"
    assert recurrence.LATEST not in text.decode()
