"""From a run that shall serve to the files of its promotion: the document and what is rendered from it, one commit."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from itertools import count

from ml_pipeline.documents.changes import Changes
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
from ml_pipeline.rules.review.faults import refuse_faults


@dataclass(frozen=True)
class Asked:
    """Which run shall serve where, and how. Of `rollout` only what was given counts while the run is on its way."""

    run: Run
    environment: str
    rollout: Rollout
    accept_signature_change: bool = False

    @property
    def reference(self) -> str:
        """The run as promotions name it, `experiment/id`."""
        return f"{self.run.experiment}/{self.run.id}"


@dataclass(frozen=True)
class Proposal:
    """What a promotion changes, the message of its commit, and how it stands for the person who asks."""

    changes: Changes
    message: str
    said: str


def promotion_changes(
    snapshot: Snapshot, asked: Asked, past: AbstractSet[str] = frozenset()
) -> Proposal:
    """What `promote` does for a run: a new rollout; new conditions for the one that runs; nothing where it serves.

    `past` are the rollouts that the branch has asked for before.

    Raises:
        InvalidDocumentsError: the run may not serve there.
    """
    serving = serving_of(snapshot, asked.environment, asked.run.model)
    if serving and serving.weights == {asked.reference: 100}:
        return Proposal(Changes({}), "", _serves(serving, asked.reference))
    if serving and serving.promotion.run == asked.reference and serving.standing == "runs":
        wanted = _with(serving.promotion.rollout, asked.rollout)
        if wanted.steps == serving.promotion.rollout.steps:
            return _conditions(snapshot, serving, wanted)
        asked = replace(asked, rollout=wanted)
    return _new(snapshot, asked, serving, past)


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
    steps = wanted.steps
    where = f"step {serving.step} of {len(steps)}, {serving.share} % of the traffic"
    before, after = serving.promotion.rollout.model_dump(), wanted.model_dump()
    changed = [
        f"{name} from {before[name]} to {after[name]}"
        for name in after
        if after[name] != before[name]
    ]
    if not changed:
        said = f"is on its way already: {where}; `ml-pipeline status` says what it waits for"
        return Proposal(Changes({}), "", said)
    promotion = serving.promotion.model_copy(update={"rollout": wanted})
    what = f"{serving.model} to {promotion.run} in {serving.environment}"
    told = ", ".join(changed)
    return Proposal(
        _files(snapshot, serving.environment, promotion),
        f"Change the rollout of {what}\n\nIt goes on at {where}, with {told}.\n",
        f"goes on at {where}, with {told}",
    )


def _new(
    snapshot: Snapshot, asked: Asked, serving: Serving | None, past: AbstractSet[str]
) -> Proposal:
    """A rollout of its own: from what serves now, with an attempt that nobody has asked for before."""
    environment, model, reference = asked.environment, asked.run.model, asked.reference
    baseline = stable_run(serving) if serving else None
    promotion = Promotion(
        apiVersion=API_VERSION,
        kind="Promotion",
        model=model,
        run=reference,
        baseline=None if baseline == reference else baseline,
        rollout=asked.rollout,
        # Defaults here would start the stable predictor anew, in the middle of its traffic.
        resources=serving.promotion.resources if serving else Resources(),
        accept_signature_change=asked.accept_signature_change,
    )
    promotion = _untried(snapshot, environment, promotion, past)
    share = "all of the traffic"
    first = first_step(promotion)[reference]
    if first < 100:
        share = f"{first} % of the traffic first, the rest stays with {promotion.baseline}"
    attempt = ""
    if promotion.attempt > 1:
        attempt = f" It is attempt {promotion.attempt}, a rollout of its own."
    return Proposal(
        _files(snapshot, environment, promotion),
        f"Promote {model} to {reference} in {environment}\n\nIt gets {share}.{attempt}\n",
        f"gets {share}",
    )


def _untried(
    snapshot: Snapshot, environment: str, promotion: Promotion, past: AbstractSet[str]
) -> Promotion:
    """The promotion with the smallest attempt whose rollout has left no trace and was never asked for."""
    tries = (promotion.model_copy(update={"attempt": attempt}) for attempt in count(1))
    return next(
        tried
        for tried in tries
        if not has_trace(snapshot, environment, tried)
        and rollout_id(environment, tried) not in past
    )


def _files(snapshot: Snapshot, environment: str, promotion: Promotion) -> Changes:
    """The document and what is rendered from it, nothing else: a revert takes back just this.

    Raises:
        InvalidDocumentsError: a rule is broken by it.
    """
    path = promotion_path(environment, promotion.model)
    document = {path: to_document(path, promotion)}
    after = snapshot.after(Changes(document))
    refuse_faults(after)
    wanted = document | serving_overlay(after, environment, promotion.model)
    return Changes({p: raw for p, raw in wanted.items() if snapshot.files.get(p) != raw})
