"""What a model serves at one revision: the rollout, its weights, and how far it has come."""

from dataclasses import dataclass
from typing import Literal

import yaml

from ml_pipeline.documents.faults import Fault, InvalidDocumentsError
from ml_pipeline.documents.nodes import load_plain
from ml_pipeline.documents.promotion import Promotion
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.layout import Served, promotion_of, rollout_path
from ml_pipeline.rules.identity.hashes import rollout_id
from ml_pipeline.rules.identity.weights import Weights, WeightsPatch, first_step


@dataclass(frozen=True)
class Serving:
    """What a model serves at one revision.

    Its rollout, the declared weights by run, and whether a verdict ended it.
    """

    environment: str
    model: str
    rollout: str
    promotion: Promotion
    weights: Weights
    ended: bool

    @property
    def share(self) -> int:
        """Percent of the traffic that the promoted run has."""
        return self.weights.get(self.promotion.run, 0)

    @property
    def standing(self) -> Literal["serves", "runs", "stopped"]:
        """Whether the promoted run serves alone, is on its way there, or was taken out for good."""
        if self.weights == {self.promotion.run: 100}:
            return "serves"
        return "stopped" if self.ended or not self.share else "runs"

    @property
    def step(self) -> int:
        """Number of the step that the rollout has reached, from 1; 0 where its run is out."""
        return sum(percent <= self.share for percent in self.promotion.rollout.steps)


def promotions_naming(snapshot: Snapshot, reference: str) -> list[Served]:
    """What a run, `experiment/id`, is promoted for, in any environment, or is the baseline of."""
    # The bytes, since a promotion that cannot be read names it too.
    raw = reference.encode()
    paths = snapshot.paths.get(Promotion, [])
    served = (promotion_of(path) for path in paths if raw in snapshot.files[path])
    return [each for each in served if each]


def rollback_command(served: Served) -> str:
    """What takes a promotion out."""
    return f"`ml-pipeline rollback {served.model} --env {served.environment}`"


def serving_of(snapshot: Snapshot, environment: str, model: str) -> Serving | None:
    """What a model serves, None where it is not promoted.

    Raises:
        InvalidDocumentsError: automation's file for its rollout does not fit it.
    """
    promotion = snapshot.promotions.get((environment, model))
    if promotion is None:
        return None
    target = rollout_id(environment, promotion)
    path = rollout_path(environment, model, target)
    raw = snapshot.files.get(path)
    weights = first_step(promotion)
    if raw is not None:
        try:
            weights = _reached(weights, raw)
        except (ValueError, yaml.YAMLError) as error:
            text = f"does not fit promotions/{model}.yaml; restore it from git"
            raise InvalidDocumentsError([Fault(path, 1, "", text)]) from error
    # A first promotion, or one at once, has nothing to decide and so no verdict.
    ended = (environment, target) in snapshot.verdicts or weights == {promotion.run: 100}
    return Serving(environment, model, target, promotion, weights, ended)


def _reached(first: Weights, raw: bytes) -> Weights:
    """The weights that automation's file for a rollout says."""
    patch = WeightsPatch.read(load_plain(raw))
    if patch is None:
        raise ValueError("is not what automation writes")
    return patch.applied_to(first)


def stable_run(serving: Serving) -> str:
    """The run that a next promotion replaces.

    It is the one that holds the traffic, and the old one while that is undecided.
    """
    if len(serving.weights) == 1:
        return next(iter(serving.weights))
    return serving.promotion.baseline or serving.promotion.run


def has_trace(snapshot: Snapshot, environment: str, promotion: Promotion) -> bool:
    """Whether automation has moved or ended the rollout of such a promotion, now or in the past."""
    target = rollout_id(environment, promotion)
    moved = rollout_path(environment, promotion.model, target) in snapshot.files
    return moved or (environment, target) in snapshot.verdicts
