"""Moments at which DAGs run: those of the schedule, clock changes and outages included."""

from datetime import UTC, datetime

import pendulum
import pytest
from airflow.serialization.decoders import decode_timetable
from airflow.serialization.encoders import encode_timetable
from airflow.timetables.base import DataInterval, TimeRestriction
from ml_pipeline.airflow import timetable
from ml_pipeline.airflow.timetable import ScheduleTimetable

pytestmark = pytest.mark.airflow
CATCHING_UP = True


def moment(*numbers: int):
    return pendulum.instance(datetime(2026, *numbers, tzinfo=UTC))


def fired(cron: str, start, count: int, timezone: str = "Europe/Berlin") -> list[str]:
    """The first moments from one on, as a back-fill asks for them."""
    schedule = ScheduleTimetable(cron, timezone)
    restriction = TimeRestriction(earliest=start, latest=None, catchup=CATCHING_UP)
    last, found = None, []
    for _ in range(count):
        info = schedule.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
        last = info.data_interval
        found.append(f"{info.logical_date:%d %H:%M}")
    return found


def test_hour_that_a_clock_skips_fires_at_its_end():
    assert fired("30 2 * * *", moment(3, 28), 3) == ["28 01:30", "29 01:00", "30 00:30"]


def test_hour_that_a_clock_repeats_fires_once():
    assert fired("30 2 * * *", moment(10, 24), 3) == ["24 00:30", "25 00:30", "26 01:30"]


def test_hourly_goes_by_the_elapsed_time():
    found = fired("0 * * * *", moment(10, 24, 23), 4)
    assert found == ["24 23:00", "25 00:00", "25 01:00", "25 02:00"]


def test_range_of_one_minute_is_that_minute():
    assert fired("1-1 * * * *", moment(1, 1), 2, "UTC") == ["01 00:01", "01 01:01"]


def test_moment_that_a_back_fill_begins_with_is_one_of_them():
    assert fired("@daily", moment(1, 1), 2, "UTC") == ["01 00:00", "02 00:00"]


@pytest.fixture
def noon(monkeypatch):
    """It is noon of the tenth of May."""
    monkeypatch.setattr(timetable, "now", lambda: datetime(2026, 5, 10, 12, tzinfo=UTC))


def next_run(last=None, latest=None):
    restriction = TimeRestriction(earliest=None, latest=latest, catchup=not CATCHING_UP)
    interval = DataInterval.exact(last) if last else None
    return ScheduleTimetable("@daily", "UTC").next_dagrun_info(
        last_automated_data_interval=interval, restriction=restriction
    )


def test_new_schedule_begins_with_its_next_moment(noon):
    assert next_run().logical_date == moment(5, 11)


def test_first_moment_counts_until_the_scheduler_has_had_time_to_look(monkeypatch):
    monkeypatch.setattr(timetable, "now", lambda: datetime(2026, 5, 10, 0, 5, tzinfo=UTC))
    assert next_run().logical_date == moment(5, 10)


def test_run_after_the_last_one_is_the_next_moment(noon):
    assert next_run(last=moment(5, 10)).logical_date == moment(5, 11)


def test_after_an_outage_the_newest_moment_that_was_missed_is_run(noon):
    assert next_run(last=moment(5, 1)).logical_date == moment(5, 10)


def test_nothing_is_run_after_the_end(noon):
    assert next_run(latest=moment(5, 10, 13)) is None


def test_scheduler_makes_it_anew_from_what_it_says():
    schedule = ScheduleTimetable("0 3 * * 1", "Europe/Berlin")
    again = decode_timetable(encode_timetable(schedule))
    assert type(again) is ScheduleTimetable
    assert (
        again.serialize()
        == schedule.serialize()
        == {
            "cron": "0 3 * * 1",
            "timezone": "Europe/Berlin",
        }
    )
