"""## Recurring retraining

One DAG for each experiment with a `schedule`.

The experiment's file decides what there is: merging a `schedule` adds the DAG, removing the line
removes it. Airflow decides when an interval begins, git holds all that is known of it, and Flux, or
the embedded environment, does the work. Every step may be killed, cleared, run again or back-filled
at any time: an interval is proposed once.

| step | does |
|---|---|
| `propose` | reads the source, and commits which state of it the interval trains on |
| `wait` | follows the run to its receipt, without a worker |
| `gate` | passes where the run succeeded and keeps every gate; fails with the reason |
| `promote` | commits the promotion, or a branch for a pull request |
| `outcome` | says how the interval ended |

A step is skipped where there is nothing left to do: a person took the interval out, a newer one
came before it had trained, the experiment is gone, or it promotes to no environment.

The XCom `standing` of each step, and its log, hold the reason.
"""

import logging
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, TriggerRule, chain, get_parsing_context
from ml_pipeline.airflow.intervals import LONGEST
from ml_pipeline.airflow.steps import Gate, Outcome, Promote, Propose, Wait
from ml_pipeline.airflow.timetable import ScheduleTimetable
from ml_pipeline.operations.schedules import Schedule, read_schedules

ROOT = Path(__file__).resolve().parents[1]
# Half an hour in all: a git server, or a source, that is away comes back.
RETRIES = {
    "retries": 8,
    "retry_delay": timedelta(seconds=10),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=10),
    "execution_timeout": timedelta(minutes=30),
}
log = logging.getLogger(__name__)


def dag_id_of(schedule: Schedule) -> str:
    """The same for an experiment, whatever else it says."""
    return f"retrain-{schedule.experiment}"


def retraining(schedule: Schedule) -> DAG:
    """The DAG of one experiment; equal schedules make equal DAGs, so no version of it is new."""
    with DAG(
        dag_id=dag_id_of(schedule),
        description=f"Trains {schedule.experiment} anew on the newest state of its source",
        doc_md=f"{_summary(schedule)}\n\n{__doc__}",
        schedule=ScheduleTimetable(schedule.cron, schedule.timezone),
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=LONGEST + timedelta(days=1),
        is_paused_upon_creation=False,
        tags=[f"model:{schedule.model}", f"environment:{schedule.environment}"],
        default_args={"owner": schedule.owner, **RETRIES},
    ) as dag:
        name = schedule.experiment
        chain(
            Propose(task_id="propose", experiment=name),
            Wait(task_id="wait", experiment=name),
            Gate(task_id="gate", experiment=name),
            Promote(task_id="promote", experiment=name),
            Outcome(task_id="outcome", experiment=name, trigger_rule=TriggerRule.NONE_FAILED),
        )
    return dag


def _summary(schedule: Schedule) -> str:
    """What this experiment is, in one line."""
    target = f"; promotes to {schedule.promote}" if schedule.promote else ""
    return (
        f"**{schedule.experiment}** of {schedule.owner}: model {schedule.model}, trained in "
        f"{schedule.environment} at `{schedule.cron}` ({schedule.timezone}){target}"
    )


def wanted(schedules: Iterable[Schedule]) -> Iterator[Schedule]:
    """All of them for the DAG processor; for the process of a task the one that it runs."""
    dag_id = get_parsing_context().dag_id
    return (s for s in schedules if dag_id in (None, dag_id_of(s)))


schedules = read_schedules(ROOT)
for fault in schedules.faults:
    log.warning("no DAG for a faulty experiment: %s", fault)
for schedule in wanted(schedules.known):
    globals()[dag_id_of(schedule)] = retraining(schedule)
