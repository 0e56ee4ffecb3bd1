"""What a merge does to served models: who gets which traffic, and which servers start anew."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from ml_pipeline.documents.faults import Fault, InvalidDocumentsError
from ml_pipeline.documents.promotion import Promotion
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.layout import (
    Served,
    deployment_of,
    promotion_of,
    promotion_path,
    rollout_of,
    verdict_of,
)
from ml_pipeline.rules.identity.served import Serving, serving_of
from ml_pipeline.rules.kustomize.objects import NotCoveredError, parse_objects
from ml_pipeline.rules.review.consequence import Consequence
from ml_pipeline.rules.rollout.gates import described


def traffic_consequences(
    before: Snapshot, after: Snapshot, paths: Collection[str]
) -> Iterator[Consequence]:
    """What becomes of every served model that some changed paths have to do with."""
    yield from _moved(before, after, paths)
    yield from _started_anew(before, after, paths)
    yield from _revived(before, after, paths)
    yield from _forgotten(after, paths)


def gate_lines(after: Snapshot, changed: Iterable[str]) -> list[str]:
    """One line for each run that a changed promotion asks for: what was measured against what was
    asked."""
    lines = []
    for path in sorted(set(changed) & set(after.paths.get(Promotion, ()))):
        served = promotion_of(path)
        assert served is not None
        promotion = after.promotions[served]
        run = after.runs_by_reference.get(promotion.run)
        if run:
            gates = ", ".join(map(described, run.gates)) or "none was measured"
            lines.append(f"Gates of {promotion.run}: {gates}")
    return lines


def _moved(before: Snapshot, after: Snapshot, paths: Iterable[str]) -> Iterator[Consequence]:
    """Models whose traffic is divided otherwise."""
    for environment, model in sorted(_models_of(paths)):
        old, new = serving_of(before, environment, model), serving_of(after, environment, model)
        if _weights(old) != _weights(new):
            text = f"from {_shares(old)} to {_shares(new)}{_jumps(old, new)}"
            where = promotion_path(environment, model)
            yield Consequence("traffic", f"{model} in {environment}: {text}", where)


def _models_of(paths: Iterable[str]) -> set[Served]:
    """Models whose promotion, weights or verdict some paths hold."""
    models = set()
    for path in paths:
        file = promotion_of(path) or rollout_of(path) or verdict_of(path)
        if file:
            models.add(Served(file.environment, file.model))
    return models


def _jumps(old: Serving | None, new: Serving | None) -> str:
    """Runs that get traffic at once beyond what a rollout begins with: a baseline that did not
    serve, a run without one.

    A revert does that too, and is to; what is written by hand may not mean it.
    """
    before = _weights(old)
    if new is None or not before:
        return ""
    first = new.promotion.rollout.steps[0]
    jumps = []
    for run, weight in new.weights.items():
        is_canary = run == new.promotion.run and weight <= first < 100
        if run not in before and not is_canary:
            jumps.append(f"; {run} did not serve and gets {weight} % at once")
    return "".join(jumps)


def _revived(before: Snapshot, after: Snapshot, paths: Iterable[str]) -> Iterator[Consequence]:
    """Verdicts that are removed: the rollout that they ended goes on."""
    for path in paths:
        verdict = verdict_of(path)
        if verdict is None or path in after.files:
            continue
        environment, model, target = verdict
        serving = serving_of(after, environment, model)
        if serving and serving.rollout == target:
            outcome = before.verdicts[environment, target].outcome
            goes = "has ended all the same" if serving.ended else "goes on"
            text = (
                f"{model} in {environment}: the rollout to {serving.promotion.run} {goes}, "
                f"its verdict {outcome!r} is taken out"
            )
            yield Consequence("traffic", text, path)


def _forgotten(after: Snapshot, paths: Iterable[str]) -> Iterator[Consequence]:
    """Removed files of automation that no serving model needs: of rollouts before its own."""
    for path in paths:
        rollout = rollout_of(path) or verdict_of(path)
        if rollout is None or path in after.files:
            continue
        environment, model, target = rollout
        serving = serving_of(after, environment, model)
        if serving and serving.rollout != target:
            what = "the verdict" if verdict_of(path) else "the weights"
            text = (
                f"{model} in {environment}: takes out {what} of {target}, an earlier rollout; "
                "what serves stays, and a promotion that brings it back begins anew"
            )
            yield Consequence("keeps", text, path)


def _started_anew(before: Snapshot, after: Snapshot, paths: Iterable[str]) -> Iterator[Consequence]:
    """Served models whose predictors serve the same run in another way: another image, other
    resources."""
    for path in paths:
        served = deployment_of(path)
        if served is None:
            continue
        old, new = _predictors(before, path), _predictors(after, path)
        anew = [name for name in new if name in old and old[name] != new[name]]
        if anew:
            text = f"starts {', '.join(anew)} of {served.model} in {served.environment} anew"
            yield Consequence("restarts", text, promotion_path(*served))


def _predictors(snapshot: Snapshot, path: str) -> dict[str, dict[str, Any]]:
    """Predictors of a rendered deployment by name, without their traffic."""
    if path not in snapshot.files:
        return {}
    predictors = {}
    try:
        (deployment,) = parse_objects(snapshot.files[path], exact=False)
        for predictor in deployment["spec"]["predictors"]:
            kept = {key: value for key, value in predictor.items() if key != "traffic"}
            predictors[predictor["name"]] = kept
    except (AttributeError, KeyError, TypeError, ValueError, NotCoveredError) as error:
        fault = Fault(path, 1, "", "is not what `ml-pipeline render` writes; run it")
        raise InvalidDocumentsError([fault]) from error
    return predictors


def _weights(serving: Serving | None) -> dict[str, int]:
    return serving.weights if serving else {}


def _shares(serving: Serving | None) -> str:
    shares = [f"{weight} % {run}" for run, weight in _weights(serving).items()]
    return ", ".join(shares) or "nothing"
