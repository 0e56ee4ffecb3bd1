"""The figures of docs/benchmarks.md, measured on the real environment and printed; `make bench` runs this."""

import subprocess
import sys
import time
from math import sqrt

import pytest
from ml_pipeline.adapters.load import Load
from ml_pipeline.environments.embedded.state import read_json

from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runs(environment):
    """Two runs of one model."""
    environment.submit("first", "parameters.epochs=8")
    environment.submit("second", "parameters.epochs=8", "model.type=cnn", "parameters.hidden=8")
    environment.wait("both receipts", lambda: len(environment.head().runs) == 2)
    return tuple(f"{name}/{environment.run_of(name).id}" for name in ("first", "second"))


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def summary(values: list[float]) -> str:
    return f"p50 {quantile(values, 0.5):.2f} s, p95 {quantile(values, 0.95):.2f} s, max {max(values):.2f} s of {len(values)}"


@pytest.mark.parametrize(
    "command",
    [["--help"], ["validate"], ["render", "--check"]],
    ids=lambda command: command[0].strip("-"),
)
def test_command_line(say, command):
    def once() -> float:
        begun = time.perf_counter()
        subprocess.run(
            [sys.executable.replace("python", "ml-pipeline"), *command],
            cwd=REPOSITORY,
            capture_output=True,
            check=True,
        )
        return time.perf_counter() - begun

    say(f"ml-pipeline {' '.join(command)}: {summary([once() for _ in range(11)])}, whole process")


def test_merge_to_training_process(environment, runs, say):
    taken = []
    for number in range(20):
        name = f"quick-{number}"
        environment.submit(name, "parameters.epochs=50", f"seed={number + 100}")
        pushed = (environment.state.origin / "refs/heads/main").stat().st_mtime
        pod = environment.wait(
            "the process",
            lambda name=name: next(
                (
                    s
                    for p in environment.state.root.glob(f"pods/{name}-train-*")
                    if (s := read_json(p / "status.json")) and s.get("pid")
                ),
                None,
            ),
        )
        taken.append(pod["started"] - pushed)
        environment.revert(f"^Train {name}")
        environment.wait(
            "the Job to be pruned",
            lambda name=name: not any(j.startswith(name) for j in environment.state.names("jobs")),
            60,
        )
    say(f"merge pushed -> training process running: {summary(taken)}")
    assert len(taken) == 20


def test_revert_during_a_rollout(environment, runs, say):
    first, second = runs
    environment.pipeline("promote", first)
    environment.wait("the first model", lambda: environment.serving().get("routed") == {first: 100})
    taken = []
    for _ in range(20):
        environment.pipeline("promote", second, "--min-requests", "1000000")
        environment.wait(
            "the canary", lambda: environment.serving().get("routed") == {first: 90, second: 10}
        )
        environment.revert("^Promote digits to second")
        pushed = time.monotonic()
        environment.wait(
            "the old version", lambda: environment.serving().get("routed") == {first: 100}
        )
        taken.append(time.monotonic() - pushed)
    say(f"revert pushed during a rollout -> old version has all traffic: {summary(taken)}")
    assert len(taken) == 20


def test_ten_thousand_requests_across_promotion_steps_and_revert(environment, runs, say):
    first, second = runs
    load = Load(environment.serving()["url"], (1, 8, 8), 130)
    load.start()
    environment.pipeline(
        "promote",
        second,
        "--steps",
        "10,50,100",
        "--min-requests",
        "400",
        "--max-p99-increase",
        "1000",
    )
    splits = []
    for percent in (10, 50):
        environment.wait(
            f"{percent} %",
            lambda percent=percent: environment.serving().get("routed", {}).get(second) == percent,
        )
        before = load.by_predictor.copy()
        during = before
        while environment.serving().get("routed", {}).get(second) == percent:
            during = load.by_predictor.copy()
            time.sleep(0.02)
        counted = during - before
        share = counted[f"digits-run-{second[-10:]}"] / counted.total()
        splits.append(
            (
                percent,
                share,
                counted.total(),
                sqrt(percent / 100 * (1 - percent / 100) / counted.total()),
            )
        )
    environment.wait("the end", lambda: environment.serving().get("routed") == {second: 100})
    environment.wait("the old server to end", lambda: not environment.servers(first[-10:]), 60)
    environment.revert("^Promote digits to second")
    pushed = time.monotonic()
    environment.wait("the old version", lambda: environment.serving().get("routed") == {first: 100})
    back = time.monotonic() - pushed
    environment.wait("ten thousand requests", lambda: load.sent >= 10_000)
    load.stop()
    for percent, share, total, error in splits:
        say(
            f"declared {percent} %, measured {100 * share:.2f} % of {total} requests, {abs(share - percent / 100) / error:.2f} standard errors off"
        )
    say(
        f"revert pushed after the end of a rollout -> old version serves: {back:.1f} s, its server started anew"
    )
    say(
        f"{len(load.failed)} of {load.sent} requests failed, {load.per_second:.0f} a second asked for"
    )
    assert load.failed == []
    assert all(abs(share - percent / 100) < 4.5 * error for percent, share, _, error in splits)
