"""Waiting: one clone, one fetch for all, and an event when git says that an interval is over."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from airflow.triggers.shared_stream import SharedStreamManager
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.airflow import triggers
from ml_pipeline.airflow.triggers import IntervalTrigger
from ml_pipeline.operations.retrain import open_clone_of, propose
from ml_pipeline.rules.automation.retraining import Interval

from tests.conftest import git

pytestmark = pytest.mark.airflow
DAY = datetime(2026, 1, 31, tzinfo=UTC)
LONG = timedelta(days=1)


@pytest.fixture(autouse=True)
def _often(monkeypatch):
    monkeypatch.setattr(triggers, "FETCH_SECONDS", 0.05)


@pytest.fixture
def proposed(retraining_team):
    retraining_team.experiment("daily")
    propose(open_clone_of(retraining_team.settings), Interval("daily", DAY))
    return retraining_team


def trigger(name: str = "daily", within: timedelta = LONG) -> IntervalTrigger:
    return IntervalTrigger(name, DAY.isoformat(), (datetime.now(UTC) + within).isoformat())


async def fired(one: IntervalTrigger) -> bool:
    (event,) = [event async for event in one.run()]
    return event.payload


def test_trigger_is_made_anew_from_what_it_says():
    path, arguments = trigger().serialize()
    assert path == "ml_pipeline.airflow.triggers.IntervalTrigger"
    assert IntervalTrigger(**arguments).serialize() == (path, arguments)


def test_receipt_fires_it(proposed):
    async def scenario():
        waiting = asyncio.create_task(fired(trigger()))
        done, _ = await asyncio.wait([waiting], timeout=0.5)
        assert not done
        await asyncio.to_thread(proposed.finish)
        return await waiting

    assert asyncio.run(scenario()) is True


def test_revert_of_the_proposal_fires_it(proposed):
    proposed.revert("Retrain daily for")
    assert asyncio.run(fired(trigger())) is True


def test_time_that_is_over_fires_it_too(proposed):
    assert asyncio.run(fired(trigger(within=-LONG))) is False


def test_git_that_is_away_is_waited_for(proposed, monkeypatch):
    origin = proposed.top / "origin.git"
    origin.rename(origin.with_suffix(".away"))
    proposed_to = git(proposed.clone, "remote", "get-url", "origin")
    assert proposed_to == str(origin)

    async def scenario():
        waiting = asyncio.create_task(fired(trigger()))
        done, _ = await asyncio.wait([waiting], timeout=0.5)
        assert not done
        origin.with_suffix(".away").rename(origin)
        await asyncio.to_thread(proposed.finish)
        return await waiting

    assert asyncio.run(scenario()) is True


def test_git_that_stays_away_does_not_hold_it_for_ever(proposed, monkeypatch):
    monkeypatch.setenv("ML_PIPELINE_ORIGIN", str(proposed.top / "nowhere.git"))
    assert asyncio.run(fired(trigger(within=-LONG))) is False


def test_all_of_a_triggerer_share_one_fetch(proposed, monkeypatch):
    """As the triggerer runs them, by the key that they share."""
    calls = {"fetch": 0}
    original = Repository.fetch

    def counted(repository: Repository) -> str:
        calls["fetch"] += 1
        return original(repository)

    monkeypatch.setattr(Repository, "fetch", counted)
    woken = []

    async def one(number: int, manager: SharedStreamManager):
        waiting = trigger()
        key = waiting.shared_stream_key()
        stream = manager.subscribe(trigger_id=number, trigger=waiting, key=key)
        async for event in waiting.filter_shared_stream(stream):
            await manager.unsubscribe(number, key)
            woken.append(event.payload)

    async def scenario():
        manager = SharedStreamManager()
        waiting = [asyncio.create_task(one(n, manager)) for n in range(100)]
        while calls["fetch"] < 5:
            await asyncio.sleep(0.01)
        assert woken == []
        await asyncio.to_thread(proposed.finish)
        before = calls["fetch"]
        await asyncio.gather(*waiting)
        return calls["fetch"] - before

    # One that was on its way, and the one after it; another to wake who came a tick later.
    assert asyncio.run(scenario()) <= 3
    assert woken == [True] * 100
