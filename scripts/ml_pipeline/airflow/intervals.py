"""Which interval of an experiment a DAG run is, and how long a step follows one."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ml_pipeline.rules.automation.retraining import Interval

LONGEST = timedelta(days=7)
"""That a run may take from its proposal to its receipt, queues included."""


def interval_of(experiment: str, context: Mapping[str, Any]) -> Interval:
    """The interval of a DAG run: its logical date in whole minutes of UTC.

    A run may have none, where a person or a program starts it without. Then it is the moment from
    which the run may begin, which Airflow keeps with the run: a retry has the same.
    """
    run = context["dag_run"]
    return Interval(experiment, _whole_minutes(run.logical_date or run.run_after))


def _whole_minutes(moment: datetime) -> datetime:
    seconds = int(moment.timestamp())
    return datetime.fromtimestamp(seconds - seconds % 60, UTC)
