"""The next commit of every rollout, or what it waits for: from what was measured to weights and verdicts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ml_pipeline.documents.changes import Changes, Step
from ml_pipeline.documents.fields import API_VERSION
from ml_pipeline.documents.receipts import Verdict
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.documents.writer import to_document
from ml_pipeline.layout import verdict_path
from ml_pipeline.rules.identity.served import Serving, serving_of
from ml_pipeline.rules.render.serving import rollout_files
from ml_pipeline.rules.rollout.decisions import decide, measured

Status = Mapping[str, Any]


@dataclass(frozen=True)
class Wait:
    """What a rollout waits for, and how many requests its run has answered in this step; None where nobody counts."""

    reason: str
    requests: int | None = None


@dataclass(frozen=True)
class Progress:
    """How a promotion stands whose run does not serve alone. `share` is in percent; `reason` is what the rollout waits
    for, empty where its next step is due, or why its run was taken out, and `since` when that was."""

    environment: str
    model: str
    rollout: str
    run: str
    outcome: Literal["runs", "aborted"]
    step: int
    steps: int
    share: int
    requests: int | None
    min_requests: int
    reason: str
    since: str = ""

    def __str__(self) -> str:
        """One line."""
        where = f"--env {self.environment}"
        if self.outcome == "aborted":
            when = f" {self.since}" if self.since else ""
            return (
                f"{self.model}: the rollout of {self.run} was aborted{when}: {self.reason}; it stays out, "
                f"`ml-pipeline promote {self.run} {where}` tries it again, "
                f"`ml-pipeline rollback {self.model} {where}` takes the promotion back"
            )
        at = f"step {self.step} of {self.steps}, {self.share} % of the traffic"
        waits = f"waits: {self.reason}" if self.reason else "`reconcile` commits its next step now"
        return f"{self.model}: the rollout of {self.run} is at {at}; {waits}"


def rollout_step(snapshot: Snapshot, environment: str, model: str, status: Status) -> Step | None:
    """The step of a model's rollout that is due after what was seen of it; None where there is none."""
    serving = serving_of(snapshot, environment, model)
    if serving is None or serving.ended:
        return None
    found = _next(snapshot, serving, status)
    return found if isinstance(found, Step) else None


def progress(
    snapshot: Snapshot, environment: str, seen: Mapping[str, Status]
) -> Iterator[Progress]:
    """How each promotion of an environment stands whose run does not serve alone; `seen` is what serves, by model."""
    for serving in _unfinished(snapshot, environment):
        rollout, steps = serving.promotion.rollout, serving.promotion.rollout.steps
        is_out = serving.standing == "stopped"
        wait = _taken_out(snapshot, serving) if is_out else _wait(snapshot, serving, seen)
        yield Progress(
            environment=environment,
            model=serving.model,
            rollout=serving.rollout,
            run=serving.promotion.run,
            outcome="aborted" if is_out else "runs",
            step=serving.step,
            steps=len(steps),
            share=serving.share,
            requests=wait.requests,
            min_requests=rollout.min_requests,
            reason=wait.reason,
        )


def _unfinished(snapshot: Snapshot, environment: str) -> Iterator[Serving]:
    for name, model in snapshot.promotions:
        serving = serving_of(snapshot, name, model) if name == environment else None
        if serving and serving.standing != "serves":
            yield serving


def _taken_out(snapshot: Snapshot, serving: Serving) -> Wait:
    verdict = snapshot.verdicts.get((serving.environment, serving.rollout))
    return Wait(verdict.reason if verdict else "no verdict says why")


def _wait(snapshot: Snapshot, serving: Serving, seen: Mapping[str, Status]) -> Wait:
    """What a rollout waits for; nothing where its next step is due."""
    status = seen.get(serving.model)
    found = _next(snapshot, serving, status)
    if isinstance(found, Wait):
        return found
    assert status is not None
    run = serving.promotion.run
    return Wait("", next(measured(row).counted for row in status["evidence"] if row["run"] == run))


def _next(snapshot: Snapshot, serving: Serving, status: Status | None) -> Step | Wait:
    """The next step of a rollout, or what it waits for: what serves must be what git declares, and be measured."""
    if status is None:
        return Wait(_unseen(snapshot, serving.environment))
    if status.get("rollout") != serving.rollout:
        return Wait("its commit is not applied yet")
    if status.get("routed") != serving.weights:
        return Wait(_unrouted(status))
    evidence = {row["run"]: measured(row) for row in status["evidence"]}
    run, baseline = serving.promotion.run, serving.promotion.baseline
    if baseline is None or not {run, baseline} <= evidence.keys():
        return Wait("nothing was measured since its weights were routed")
    decision = decide(serving.promotion.rollout, evidence[run], evidence[baseline])
    if decision.action == "hold":
        return Wait(decision.reason, evidence[run].counted)
    weights = {"finish": {run: 100}, "abort": {baseline: 100}}.get(
        decision.action, {baseline: 100 - decision.weight, run: decision.weight}
    )
    write = rollout_files(snapshot, serving, weights)
    if decision.action == "advance":
        return Step(
            Changes(write),
            f"Advance {serving.model} to {decision.weight} % of {run}",
            f"{decision.reason}.",
        )
    outcome: Literal["finished", "aborted"] = (
        "finished" if decision.action == "finish" else "aborted"
    )
    verdict = Verdict(
        apiVersion=API_VERSION,
        kind="Verdict",
        id=serving.rollout,
        model=serving.model,
        environment=serving.environment,
        outcome=outcome,
        reason=decision.reason,
        run=run,
        evidence=decision.evidence,
    )
    path = verdict_path(serving.environment, serving.model, serving.rollout)
    verb = "Finish" if outcome == "finished" else "Abort"
    return Step(
        Changes({**write, path: to_document(path, verdict)}),
        f"{verb} the rollout of {serving.model} to {run}",
        f"{decision.reason}.",
    )


def _unseen(snapshot: Snapshot, environment: str) -> str:
    """Why nothing is known of what serves."""
    if snapshot.environments[environment].runtime == "embedded":
        return "its commit is not applied yet"
    return f"nobody measures what it answers; run `ml-pipeline bridge --env {environment}`"


def _unrouted(status: Status) -> str:
    """Which predictors keep the declared weights from being routed."""
    waiting = [row for row in status.get("predictors", ()) if not row["ready"]]
    if not waiting:
        return "its weights are not routed yet"
    return "; ".join(f"{row['run']} is not ready ({row['message']})" for row in waiting)
