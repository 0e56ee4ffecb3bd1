"""The next commit of every rollout, or what it waits for: from evidence to weights and verdicts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from ml_pipeline.documents.changes import Changes, Step
from ml_pipeline.documents.fields import API_VERSION
from ml_pipeline.documents.receipts import Verdict
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.documents.writer import to_document
from ml_pipeline.layout import verdict_path
from ml_pipeline.rules.identity.served import Serving, serving_of
from ml_pipeline.rules.identity.weights import Weights
from ml_pipeline.rules.render.serving import rollout_files
from ml_pipeline.rules.rollout.decisions import Decision, decide
from ml_pipeline.rules.rollout.evidence import ServingStatus, StepEvidence


@dataclass(frozen=True)
class Wait:
    """What a rollout waits for, and how many requests its run has answered in this step.

    `requests` is None where nobody counts.
    """

    reason: str
    requests: int | None = None


@dataclass(frozen=True)
class Progress:
    """How a promotion stands whose run does not serve alone.

    `share` is in percent; `reason` is what the rollout waits for, empty where its next step is due,
    or why its run was taken out, and `since` when that was.
    """

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
                f"{self.model}: the rollout of {self.run} was aborted{when}: {self.reason}; "
                f"it stays out, `ml-pipeline promote {self.run} {where}` tries it again, "
                f"`ml-pipeline rollback {self.model} {where}` takes the promotion back"
            )
        at = f"step {self.step} of {self.steps}, {self.share} % of the traffic"
        waits = f"waits: {self.reason}" if self.reason else "`reconcile` commits its next step now"
        return f"{self.model}: the rollout of {self.run} is at {at}; {waits}"


def rollout_step(
    snapshot: Snapshot, environment: str, model: str, status: ServingStatus
) -> Step | None:
    """The step of a model's rollout that is due after what was seen of it; None where none is.

    Raises:
        LookupError: what was seen cannot be read.
    """
    serving = serving_of(snapshot, environment, model)
    if serving is None or serving.ended:
        return None
    following = _next(snapshot, serving, status)
    return following if isinstance(following, Step) else None


def progress(
    snapshot: Snapshot, environment: str, seen: Mapping[str, ServingStatus]
) -> Iterator[Progress]:
    """How each promotion of an environment stands whose run does not serve alone.

    `seen` is what serves, by model.
    """
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


def _wait(snapshot: Snapshot, serving: Serving, seen: Mapping[str, ServingStatus]) -> Wait:
    """What a rollout waits for; nothing where its next step is due."""
    status = seen.get(serving.model)
    following = _next(snapshot, serving, status)
    if isinstance(following, Wait):
        return following
    assert status is not None
    return Wait("", status.evidence_by_run()[serving.promotion.run].counted)


def _next(snapshot: Snapshot, serving: Serving, status: ServingStatus | None) -> Step | Wait:
    """The next step of a rollout, or what it waits for."""
    evidence = _evidence(snapshot, serving, status)
    if isinstance(evidence, Wait):
        return evidence
    candidate, stable = evidence
    decision = decide(serving.promotion.rollout, candidate, stable)
    if decision.action == "hold":
        return Wait(decision.reason, candidate.counted)
    return _step(snapshot, serving, decision)


def _evidence(
    snapshot: Snapshot, serving: Serving, status: ServingStatus | None
) -> tuple[StepEvidence, StepEvidence] | Wait:
    """What was measured of candidate and stable: what serves must be what git declares."""
    if status is None:
        return Wait(_unseen(snapshot, serving.environment))
    if status.rollout != serving.rollout:
        return Wait("its commit is not applied yet")
    # Before any evidence is read: other weights have another step's.
    if status.routed != serving.weights:
        return Wait(_unrouted(status))
    by_run = status.evidence_by_run()
    candidate = by_run.get(serving.promotion.run)
    stable = by_run.get(serving.promotion.baseline or "")
    if candidate is None or stable is None:
        return Wait("nothing was measured since its weights were routed")
    return candidate, stable


def _step(snapshot: Snapshot, serving: Serving, decision: Decision) -> Step:
    """The commit of a decision: weights, and a verdict where the rollout ends."""
    run = serving.promotion.run
    write = rollout_files(snapshot, serving, _weights(decision))
    if decision.action == "advance":
        subject = f"Advance {serving.model} to {decision.weight} % of {run}"
        return Step(Changes(write), subject, f"{decision.reason}.")
    path = verdict_path(serving.environment, serving.model, serving.rollout)
    verdict = _verdict(serving, decision)
    verb = "Finish" if verdict.outcome == "finished" else "Abort"
    # Weights and verdict in one commit: no revision has the one without the other.
    return Step(
        Changes({**write, path: to_document(path, verdict)}),
        f"{verb} the rollout of {serving.model} to {run}",
        f"{decision.reason}.",
    )


def _weights(decision: Decision) -> Weights:
    """Percent by run; a run without traffic is none of them."""
    stable, candidate = decision.evidence
    if decision.action == "finish":
        return {candidate.run: 100}
    if decision.action == "abort":
        return {stable.run: 100}
    return {stable.run: 100 - decision.weight, candidate.run: decision.weight}


def _verdict(serving: Serving, decision: Decision) -> Verdict:
    return Verdict(
        apiVersion=API_VERSION,
        kind="Verdict",
        id=serving.rollout,
        model=serving.model,
        environment=serving.environment,
        outcome="finished" if decision.action == "finish" else "aborted",
        reason=decision.reason,
        run=serving.promotion.run,
        evidence=decision.evidence,
    )


def _unseen(snapshot: Snapshot, environment: str) -> str:
    """Why nothing is known of what serves."""
    if snapshot.environments[environment].runtime == "embedded":
        return "its commit is not applied yet"
    return f"nobody measures what it answers; run `ml-pipeline bridge --env {environment}`"


def _unrouted(status: ServingStatus) -> str:
    """Which predictors keep the declared weights from being routed."""
    waiting = [predictor for predictor in status.predictors if not predictor.ready]
    if not waiting:
        return "its weights are not routed yet"
    return "; ".join(f"{each.run} is not ready ({each.message})" for each in waiting)
