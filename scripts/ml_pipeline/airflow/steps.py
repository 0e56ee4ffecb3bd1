"""The steps of one interval: propose, wait, gate, promote, outcome.

Each asks git how the interval stands, does at most one thing, asks again, and ends as the answer
says. What a former step found is never handed on: it may be hours old, and git is there to ask.
"""

import os
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, ClassVar

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.airflow.intervals import LONGEST, interval_of
from ml_pipeline.airflow.links import CommitLink, ReceiptLink, commit_page, receipt_page
from ml_pipeline.airflow.triggers import IntervalTrigger
from ml_pipeline.operations.retrain import open_clone_of, promote, propose, standing
from ml_pipeline.rules.automation.retraining import Interval, Standing, State

Context = Mapping[str, Any]
# Nothing went wrong: there is nothing left to do, and why is said.
_SKIPPED = frozenset({State.SUPERSEDED, State.WITHDRAWN, State.GONE})


class Step(BaseOperator):
    """One step: `act` is what it does, `passes` are the states after which the next one begins."""

    passes: ClassVar[frozenset[State]]
    operator_extra_links = (CommitLink(), ReceiptLink())

    def __init__(self, *, experiment: str, **options: Any) -> None:
        super().__init__(**options)
        self.experiment = experiment
        self.commit_page = self.receipt_page = ""

    def act(self, clone: Repository, interval: Interval) -> Standing:
        """What this step does, and how the interval stands then."""
        return standing(clone, interval)

    def execute(self, context: Context) -> None:
        """Do it, and end as git says.

        Raises:
            AirflowSkipException: there is nothing to do any more.
            AirflowFailException: the interval has failed; trying again changes nothing.
            PipelineError: git, or the source, did not let it; trying again may.
        """
        interval = interval_of(self.experiment, context)
        clone = open_clone_of(os.environ)
        found = self.act(clone, interval)
        self.log.info(
            "%s %s: %s, %s", interval.experiment, interval.name, found.state, found.reason
        )
        # Before it ends: a step that is skipped or fails leaves its reason and its links too.
        self.commit_page = commit_page(clone, found.commit or _commit_of(clone, interval))
        self.receipt_page = receipt_page(clone, found.run)
        context["ti"].xcom_push(key="standing", value=asdict(found) | {"state": str(found.state)})
        self.conclude(interval, found)

    def conclude(self, interval: Interval, found: Standing) -> None:
        """End as the standing says."""
        if found.state in self.passes:
            return
        if found.state in _SKIPPED:
            raise AirflowSkipException(found.reason)
        if found.state is State.FAILED:
            raise AirflowFailException(found.reason)
        raise AirflowFailException(
            f"{interval.experiment} {interval.name} is {found.state}: {found.reason}; "
            "clear this DAG run from the task propose on"
        )


class Propose(Step):
    """Reads the source, and commits which state of it the interval trains on."""

    passes = frozenset({State.WAITING, State.SUCCEEDED, State.FAILED})

    def act(self, clone: Repository, interval: Interval) -> Standing:
        """At most one proposal an interval, however often this runs."""
        return propose(clone, interval, self.log.info)


class Wait(Step):
    """Follows the interval to its receipt, in the triggerer: no worker is held meanwhile."""

    passes = frozenset({State.SUCCEEDED, State.FAILED})

    def conclude(self, interval: Interval, found: Standing) -> None:
        """Wait on where it is not over."""
        if not found.is_over:
            self._defer(interval, datetime.now(UTC) + LONGEST)
        super().conclude(interval, found)

    def resume(self, context: Context, event: bool) -> None:
        """The trigger has fired: `event` says whether the interval is over.

        Raises:
            AirflowFailException: it is not, and has had its time.
        """
        if not event:
            raise AirflowFailException(
                f"has no receipt after {LONGEST.days} days; clear this task to wait on"
            )
        self.execute(context)

    def _defer(self, interval: Interval, until: datetime) -> None:
        trigger = IntervalTrigger(
            interval.experiment, interval.moment.isoformat(), until.isoformat()
        )
        self.defer(trigger=trigger, method_name="resume")


class Gate(Step):
    """Passes where the run has ended well and keeps every gate."""

    passes = frozenset({State.SUCCEEDED})


class Promote(Step):
    """Asks that the run serves, where the experiment says so."""

    passes = frozenset({State.PROMOTED, State.PROPOSED})

    def act(self, clone: Repository, interval: Interval) -> Standing:
        """At most one promotion, and none that a person took back."""
        return promote(clone, interval, self.log.info)

    def conclude(self, interval: Interval, found: Standing) -> None:
        """Skip where nothing is to be promoted."""
        if found.state is State.SUCCEEDED:
            raise AirflowSkipException("the experiment promotes to no environment")
        super().conclude(interval, found)


class Outcome(Step):
    """How the interval has ended, in the end."""

    passes = frozenset({State.SUCCEEDED})


def _commit_of(clone: Repository, interval: Interval) -> str | None:
    """The newest commit that proposed the interval, or took that back."""
    log = clone.log([interval.path], clone.tracking, "--max-count=1")
    return log[0].sha if log else None
