"""The next commit of every rollout: from what was measured to weights and verdicts."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from ml_pipeline.documents.fields import API_VERSION
from ml_pipeline.documents.receipts import Verdict
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.documents.writer import to_document
from ml_pipeline.rules.observed import Observed, Step
from ml_pipeline.rules.render import Changes
from ml_pipeline.rules.rollout import decide, measured
from ml_pipeline.rules.serving import Serving, rollout_files, state


def rollout_steps(snapshot: Snapshot, observed: Observed) -> Iterator[Step]:
    """The steps of all rollouts of the observed environment that are due."""
    for environment, model in snapshot.promotions:
        serving = state(snapshot, environment, model)
        status = observed.serving.get(model)
        if (
            environment != observed.environment
            or serving is None
            or serving.ended
            or status is None
        ):
            continue
        step = _advance(snapshot, serving, status)
        if step:
            yield step


def _advance(snapshot: Snapshot, serving: Serving, status: Mapping[str, Any]) -> Step | None:
    """The next step of a rollout; none while what serves is not yet what git declares."""
    if status["rollout"] != serving.rollout or status["routed"] != serving.weights:
        return None
    evidence = {row["run"]: measured(row) for row in status["evidence"]}
    run, baseline = serving.promotion.run, serving.promotion.baseline
    if baseline is None or not {run, baseline} <= evidence.keys():
        return None
    decision = decide(serving.promotion.rollout, evidence[run], evidence[baseline])
    if decision.action == "hold":
        return None
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
    path = f"environments/{serving.environment}/verdicts/{serving.model}/{serving.rollout}.yaml"
    verb = "Finish" if outcome == "finished" else "Abort"
    return Step(
        Changes({**write, path: to_document(path, verdict)}),
        f"{verb} the rollout of {serving.model} to {run}",
        f"{decision.reason}.",
    )
