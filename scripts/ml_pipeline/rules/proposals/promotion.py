"""From a run that shall serve to the files of its promotion, one commit.

These are the document and what is rendered from it.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from ml_pipeline.documents.changes import Changes, applied, differing
from ml_pipeline.documents.fields import API_VERSION
from ml_pipeline.documents.promotion import Promotion, Resources, Rollout
from ml_pipeline.documents.receipts import Run
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.documents.writer import to_document
from ml_pipeline.layout import promotion_path
from ml_pipeline.rules.identity.hashes import rollout_id
from ml_pipeline.rules.identity.served import Serving, has_trace, serving_of, stable_run
from ml_pipeline.rules.identity.weights import first_step
from ml_pipeline.rules.render.serving import serving_overlay
from ml_pipeline.rules.review.faults import checked_snapshot


@dataclass(frozen=True)
class PromotionRequest:
    """Which run shall serve where, and how.

    Of `rollout` only what was given counts while the run is on its way.
    """

    run: Run
    environment: str
    rollout: Rollout
    accept_signature_change: bool = False

    @property
    def reference(self) -> str:
        """The run as promotions name it, `experiment/id`."""
        return self.run.reference


@dataclass(frozen=True)
class Proposal:
    """What a promotion changes, its commit's message, and how it stands for the person who asks."""

    changes: Changes
    message: str
    consequence: str


def promotion_changes(
    snapshot: Snapshot, request: PromotionRequest, past: AbstractSet[str] = frozenset()
) -> Proposal:
    """What `promote` does for a run.

    That is a new rollout; new conditions for the one that runs; nothing where the run serves.
    `past` are the rollouts that the branch has asked for before.

    Raises:
        InvalidDocumentsError: the run may not serve there.
    """
    serving = serving_of(snapshot, request.environment, request.run.model)
    if serving and serving.weights == {request.reference: 100}:
        return Proposal(Changes({}), "", _serves(serving, request.reference))
    if serving and serving.promotion.run == request.reference and serving.standing == "runs":
        wanted = _with(serving.promotion.rollout, request.rollout)
        if wanted.steps == serving.promotion.rollout.steps:
            return _conditions(snapshot, serving, wanted)
        # Steps are part of a rollout's name: other ones make it another rollout.
        request = replace(request, rollout=wanted)
    return _new(snapshot, request, serving, past)


def _with(current: Rollout, given: Rollout) -> Rollout:
    """The conditions of a rollout with those that were given in their place."""
    return current.model_copy(
        update={name: getattr(given, name) for name in given.model_fields_set}
    )


def _serves(serving: Serving, reference: str) -> str:
    if serving.promotion.run == reference:
        return "serves already, with all of the traffic"
    return f"serves already, with all of the traffic; {serving.promotion.run} was taken out"


def _conditions(snapshot: Snapshot, serving: Serving, wanted: Rollout) -> Proposal:
    """Other conditions for a rollout that goes on where it is; its steps, and so its name, stay."""
    where = f"step {serving.step} of {len(wanted.steps)}, {serving.share} % of the traffic"
    differences = _differences(serving.promotion.rollout, wanted)
    if not differences:
        underway = f"is on its way already: {where}; `ml-pipeline status` says what it waits for"
        return Proposal(Changes({}), "", underway)
    # Baseline and attempt stay, and with them the name under which automation keeps its weights.
    promotion = serving.promotion.model_copy(update={"rollout": wanted})
    rollout = f"{serving.model} to {promotion.run} in {serving.environment}"
    return Proposal(
        _files(snapshot, serving.environment, promotion),
        f"Change the rollout of {rollout}\n\nIt goes on at {where}, with {differences}.\n",
        f"goes on at {where}, with {differences}",
    )


def _differences(current: Rollout, wanted: Rollout) -> str:
    """The conditions that become other ones: `min_requests from 500 to 20`."""
    before, after = current.model_dump(), wanted.model_dump()
    changed = [name for name in after if after[name] != before[name]]
    return ", ".join(f"{name} from {before[name]} to {after[name]}" for name in changed)


def _new(
    snapshot: Snapshot,
    request: PromotionRequest,
    serving: Serving | None,
    past: AbstractSet[str],
) -> Proposal:
    """A rollout of its own, from what serves now, with an attempt that nobody has asked for."""
    environment, model, reference = request.environment, request.run.model, request.reference
    baseline = stable_run(serving) if serving else None
    promotion = Promotion(
        apiVersion=API_VERSION,
        kind="Promotion",
        model=model,
        run=reference,
        # Nothing is compared with itself.
        baseline=None if baseline == reference else baseline,
        attempt=1,
        rollout=request.rollout,
        # Defaults here would start the stable predictor anew, in the middle of its traffic.
        resources=serving.promotion.resources if serving else Resources(),
        accept_signature_change=request.accept_signature_change,
    )
    # Else automation would go on where an earlier rollout of the same name has ended.
    promotion = _untried(snapshot, environment, promotion, past)
    share = _first_share(promotion)
    attempt = ""
    if promotion.attempt > 1:
        attempt = f" It is attempt {promotion.attempt}, a rollout of its own."
    return Proposal(
        _files(snapshot, environment, promotion),
        f"Promote {model} to {reference} in {environment}\n\nIt gets {share}.{attempt}\n",
        f"gets {share}",
    )


def _first_share(promotion: Promotion) -> str:
    """What the promoted run gets at once, in words."""
    first = first_step(promotion)[promotion.run]
    if first < 100:
        return f"{first} % of the traffic first, the rest stays with {promotion.baseline}"
    return "all of the traffic"


def _untried(
    snapshot: Snapshot, environment: str, promotion: Promotion, past: AbstractSet[str]
) -> Promotion:
    """The promotion with the smallest attempt that is a rollout of its own.

    One that has left a trace, or was asked for before, was taken back by a person or has ended.
    """
    attempt = promotion
    while has_trace(snapshot, environment, attempt) or rollout_id(environment, attempt) in past:
        attempt = attempt.model_copy(update={"attempt": attempt.attempt + 1})
    return attempt


def _files(snapshot: Snapshot, environment: str, promotion: Promotion) -> Changes:
    """The document and what is rendered from it, nothing else: a revert takes back just this.

    Raises:
        InvalidDocumentsError: a rule is broken by it.
    """
    path = promotion_path(environment, promotion.model)
    document = {path: to_document(path, promotion)}
    after = checked_snapshot(applied(dict(snapshot.files), Changes(document)))
    wanted = document | serving_overlay(after, environment, promotion.model)
    return Changes(differing(snapshot.files, wanted))
