"""When the DAG of an experiment runs: at the moments of its schedule, as a review prices them.

Airflow's own timetables read cron by another library, which takes `1-1 * * * *` for every minute.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from airflow.plugins_manager import AirflowPlugin
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable
from pendulum import DateTime, instance

from ml_pipeline.documents.recurrence import last_due, moments

GRACE = timedelta(minutes=10)
"""That the first moment of a new schedule may have passed, and still counts."""


def now() -> datetime:
    """The moment at which it is asked."""
    return datetime.now(UTC)


class ScheduleTimetable(Timetable):
    """Runs at each moment of a cron expression in a time zone; an interval has no length."""

    def __init__(self, cron: str, timezone: str) -> None:
        self.cron, self.timezone = cron, timezone
        self.description = f"At {cron} in {timezone}"

    @property
    def summary(self) -> str:
        """What the list of DAGs shows."""
        return self.cron

    def serialize(self) -> dict[str, Any]:
        """What makes it anew in the scheduler."""
        return {"cron": self.cron, "timezone": self.timezone}

    @classmethod
    def deserialize(cls, data: Mapping[str, Any]) -> Self:
        """The timetable that said so."""
        return cls(data["cron"], data["timezone"])

    def infer_manual_data_interval(self, *, run_after: DateTime) -> DataInterval:
        """A run by hand is of the moment at which it may begin."""
        return DataInterval.exact(run_after)

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """The run after the last one; without catching up, no older than what is due now."""
        if last_automated_data_interval:
            moment = self._after(last_automated_data_interval.end)
        elif restriction.earliest:
            # The first may be that moment itself.
            moment = self._after(restriction.earliest - timedelta(seconds=1))
        else:
            # A DAG without a run is asked anew whenever its file is read: what is due now would
            # never begin where that happens before the scheduler has looked.
            moment = self._after(now() - GRACE)
        if not restriction.catchup:
            moment = max(moment, instance(last_due(self.cron, self.timezone, now())))
        if restriction.latest and moment > restriction.latest:
            return None
        return DagRunInfo.exact(moment)

    def _after(self, moment: datetime) -> DateTime:
        # Airflow's moments count the hours of a clock change in a way of their own.
        plain = datetime.fromtimestamp(moment.timestamp(), UTC)
        return instance(next(moments(self.cron, self.timezone, plain)))


class SchedulePlugin(AirflowPlugin):
    """Makes it known to the scheduler, which reads no DAG file; an entry point names it."""

    name = "ml-pipeline"
    timetables = (ScheduleTimetable,)
