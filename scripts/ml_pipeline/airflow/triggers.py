"""Waiting without a worker: one clone, and one fetch of it, for all intervals of a triggerer.

Triggers with the same key share one poll, see `airflow.triggers.shared_stream`.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.operations.retrain import IntervalWatch, open_clone_of
from ml_pipeline.rules.automation.retraining import Interval, Standing

FETCH_SECONDS = 5.0

Standings = Mapping[Interval, Standing]
_log = logging.getLogger(__name__)
# Of this process: those whose triggers run in it now.
_waiting: set[Interval] = set()


class IntervalTrigger(BaseEventTrigger):
    """Fires when an interval is over, or when its time is; `moment` and `until` in ISO 8601."""

    def __init__(self, experiment: str, moment: str, until: str) -> None:
        super().__init__()
        self.experiment, self.moment, self.until = experiment, moment, until

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """What makes it anew in a triggerer."""
        name = f"{type(self).__module__}.{type(self).__qualname__}"
        arguments = {"experiment": self.experiment, "moment": self.moment, "until": self.until}
        return name, arguments

    def shared_stream_key(self) -> str:
        """The same for all: a triggerer has one clone."""
        return __name__

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[Standings]:  # noqa: ARG003
        """How whoever waits stands, again and again.

        It never ends: its end would fail all of them.
        """
        watch = None
        while True:
            standings: Standings = {}
            try:
                if watch is None:
                    clone = await asyncio.to_thread(open_clone_of, os.environ)
                    watch = IntervalWatch(clone)
                standings = await asyncio.to_thread(watch.standings, tuple(_waiting))
            except (PipelineError, OSError) as error:
                # Git is away for a while. Who waits is woken all the same, as time goes on.
                _log.warning("%s", error)
            yield standings
            await asyncio.sleep(FETCH_SECONDS)

    async def filter_shared_stream(
        self, shared_stream: AsyncIterator[Standings]
    ) -> AsyncIterator[TriggerEvent]:
        """The one event of this interval: whether it is over, which else its time is."""
        interval = Interval(self.experiment, datetime.fromisoformat(self.moment))
        until = datetime.fromisoformat(self.until)
        _waiting.add(interval)
        try:
            async for standings in shared_stream:
                is_over = interval in standings and standings[interval].is_over
                if is_over or datetime.now(UTC) >= until:
                    # How it ended the task finds out: git may have moved on until it runs.
                    yield TriggerEvent(is_over)
                    return
                # Again: another trigger of the same interval may have ended.
                _waiting.add(interval)
        finally:
            _waiting.discard(interval)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """The same without others, as `dag.test()` has it."""
        async for event in self.filter_shared_stream(self.open_shared_stream({})):
            yield event
