"""When an experiment trains anew: cron expressions, time zones, and the moments that they name."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Annotated

from ml_pipeline.documents.fields import URI, Written, anchored, check_uri

PRESETS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}
# What every cron means alike: libraries differ in L, W, # and a sixth field.
_FIELD = r"(?:[0-9*,/-]|[A-Za-z]{3})+"
_FIELDS = rf"{_FIELD}(?: {_FIELD}){{4}}"
LATEST = "latest"  # the source is where it always is
_PARTS = r"(?:[^%]|%[YmdHM])*"  # an address with those of an interval
_ZONE = r"[A-Za-z0-9_+/-]{1,60}"
_INTERVAL_PATTERN = r"[0-9]{8}T[0-9]{4}Z"
_INTERVAL = "%Y%m%dT%H%MZ"
_YEAR, _MONTHS = timedelta(days=365), 12
_MOST_COUNTED = 1_000
# Any day does, but the same one each time: the same cron costs the same in every review.
_COUNTED_FROM = datetime(2025, 1, 1, tzinfo=UTC)


def moments(cron: str, timezone: str, after: datetime) -> Iterator[datetime]:
    """The moments in UTC that a cron expression names in a time zone, after one of them.

    An hour that a clock skips fires at its end, and one that it repeats fires once, as Debian's
    cron does; expressions that begin with a star for hours or minutes go by the elapsed time.
    """
    for moment in _simulated(cron, timezone, after):
        yield moment.astimezone(UTC)


def last_due(cron: str, timezone: str, now: datetime) -> datetime:
    """The newest moment that a cron expression names, `now` at the latest."""
    # The search leaves out where it starts.
    start = now + timedelta(seconds=1)
    return next(_simulated(cron, timezone, start, back=True)).astimezone(UTC)


def _simulated(
    cron: str, timezone: str, start: datetime, *, back: bool = False
) -> Iterator[datetime]:
    """The moments from a start on, or back, in the time zone."""
    # Most experiments have no schedule, and do not wait for what reads one.
    from zoneinfo import ZoneInfo

    from cronsim import CronSim

    moments_there: Iterator[datetime] = CronSim(
        PRESETS.get(cron, cron), start.astimezone(ZoneInfo(timezone)), reverse=back
    )
    return moments_there


def times_a_month(cron: str, timezone: str) -> float:
    """How often a cron expression fires in a month, on average over a year or its first 1,000
    moments."""
    fired = list(islice(moments(cron, timezone, _COUNTED_FROM), _MOST_COUNTED))
    within = [moment for moment in fired if moment - _COUNTED_FROM <= _YEAR]
    span = _YEAR if len(within) < len(fired) else fired[-1] - _COUNTED_FROM
    return len(within) / (span / _YEAR) / _MONTHS


def interval_of(moment: datetime) -> str:
    """The name of the interval that begins to be worked on at a moment: `20260131T1200Z`."""
    return moment.astimezone(UTC).strftime(_INTERVAL)


def moment_of(interval: str) -> datetime:
    """The moment that an interval is named after.

    Raises:
        ValueError: it is no name of an interval.
    """
    moment = datetime.strptime(interval, _INTERVAL).replace(tzinfo=UTC)
    # strptime takes fewer digits too, and names would no longer sort by time.
    if interval_of(moment) != interval:
        raise ValueError(f"{interval} is no minute")
    return moment


def _cron(value: str) -> None:
    if value in PRESETS:
        return
    known = f"five fields such as '0 3 * * *', or one of {', '.join(PRESETS)}"
    if not re.fullmatch(_FIELDS, value):
        raise ValueError(f"is no cron expression; write {known}")
    from cronsim import CronSim, CronSimError

    try:
        next(CronSim(value, _COUNTED_FROM))
    except CronSimError as error:
        said = str(error)
        raise ValueError(
            f"never fires or is wrong ({said[:1].lower()}{said[1:]}); write {known}"
        ) from error
    except StopIteration:
        raise ValueError(f"never fires; write {known}") from None


def _timezone(value: str) -> None:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("is no time zone; write one such as Europe/Berlin, or UTC") from error


def _interval(value: str) -> None:
    try:
        moment_of(value)
    except ValueError:
        text = "must be a minute in UTC such as 20260131T1200Z; restore the file from git"
        raise ValueError(text) from None


def _interval_source(value: str) -> None:
    if value == LATEST:
        return
    if not re.fullmatch(_PARTS, value):
        raise ValueError("holds a '%' that is none of %Y, %m, %d, %H and %M; take it out")
    check_uri(value)


def _text(check: Callable[[str], None], pattern: str) -> Written:
    return Written(check, {"type": "string", "pattern": anchored(pattern)})


Cron = Annotated[str, _text(_cron, rf"{'|'.join(PRESETS)}|{_FIELDS}")]
TimeZone = Annotated[str, _text(_timezone, _ZONE)]
IntervalSource = Annotated[str, _text(_interval_source, rf"{LATEST}|{URI}")]
Interval = Annotated[str, _text(_interval, _INTERVAL_PATTERN)]
