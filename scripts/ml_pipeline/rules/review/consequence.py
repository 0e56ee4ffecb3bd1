"""One thing that a merge does, and which of them weighs more."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

# The largest first: what is refused at all, who may do what, what ends or moves something that
# people rely on, then what costs, then what does neither.
Kind = Literal[
    "policies",
    "grants",
    "cancels",
    "traffic",
    "restarts",
    "budgets",
    "schedules",
    "trains",
    "prepares",
    "keeps",
    "reuses",
    "nothing",
]
ORDER: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Consequence:
    """One thing that the merge does.

    `cost` is what it is expected to cost, `most` the 90th percentile, both in `currency`.
    """

    kind: Kind
    text: str
    path: str
    cost: float = 0.0
    most: float = 0.0
    currency: str = ""


def in_order(consequences: Iterable[Consequence]) -> list[Consequence]:
    """Consequences, the largest first."""
    return sorted(consequences, key=lambda one: (ORDER.index(one.kind), one.path, one.text))
