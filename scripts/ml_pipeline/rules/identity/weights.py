"""The weights of a rollout and the patch that sets them: written and read here alone.

The first weights follow from the promotion. Automation's patch says how far it has come since:
which of the first predictors are gone, and what share each of the others has. It names predictors
by their number, so it means something for the first step of its own rollout alone.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from ml_pipeline.documents.promotion import Promotion

# Percent of the traffic by run, as promotions name it, in the order of the predictors.
Weights = dict[str, int]
Operation = dict[str, str | int]

_REMOVAL = re.compile(r"/spec/predictors/(0|[1-9][0-9]?)")


def first_step(promotion: Promotion) -> Weights:
    """Weights that a promotion begins with: all at once where nothing served before."""
    first = promotion.rollout.steps[0]
    if promotion.baseline is None or first == 100:
        return {promotion.run: 100}
    return {promotion.baseline: 100 - first, promotion.run: first}


@dataclass(frozen=True)
class WeightsPatch:
    """What automation's patch of a rollout says.

    `removed` are numbers of predictors of the first step, the last first, as taking one out moves
    those behind it; `weights` are of those that stay, in their order.
    """

    removed: tuple[int, ...]
    weights: tuple[int, ...]

    @classmethod
    def between(cls, first: Weights, reached: Weights) -> Self:
        """The patch from the weights of the first step to those that were reached."""
        gone = [number for number, run in enumerate(first) if run not in reached]
        kept = [reached[run] for run in first if run in reached]
        return cls(tuple(reversed(gone)), tuple(kept))

    @classmethod
    def read(cls, operations: object) -> Self | None:
        """The patch that a file holds; None where it says anything else, or in another order."""
        if not isinstance(operations, list):
            return None
        removed: list[int] = []
        weights: list[int] = []
        for operation in operations:
            if not isinstance(operation, dict):
                return None
            value = operation.get("value")
            removal = _REMOVAL.fullmatch(str(operation.get("path")))
            if removal:
                removed.append(int(removal[1]))
            elif type(value) is int:  # True is an int too, and no weight
                weights.append(value)
            else:
                return None
        patch = cls(tuple(removed), tuple(weights))
        falling = removed == sorted(set(removed), reverse=True)
        # Written again it must be the same: that leaves no room for an operation of another kind.
        return patch if weights and falling and operations == patch.operations() else None

    def operations(self) -> Sequence[Operation]:
        """The JSON patch: weights alone, so that all else that a person changes takes effect."""
        operations: list[Operation] = [
            {"op": "remove", "path": f"/spec/predictors/{number}"} for number in self.removed
        ]
        for number, weight in enumerate(self.weights):
            path = f"/spec/predictors/{number}/traffic"
            operations.append({"op": "replace", "path": path, "value": weight})
        return operations

    def applied_to(self, first: Weights) -> Weights:
        """The weights that were reached, from those of the first step.

        Raises:
            ValueError: it is of another first step, which has more predictors.
        """
        runs, weights = list(first), dict(first)
        if any(number >= len(runs) for number in self.removed):
            raise ValueError("removes a predictor that is not there")
        for number in self.removed:
            del weights[runs.pop(number)]
        if len(self.weights) > len(runs):
            raise ValueError("sets the weight of a predictor that is not there")
        return weights | dict(zip(runs, self.weights, strict=False))
