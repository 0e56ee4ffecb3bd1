"""How long requests took, as counts by upper bounds: the form in which a proxy keeps it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Latency:
    """Requests answered within each upper bound, in milliseconds; they rise with the bound."""

    counts: Mapping[float, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All requests."""
        return max(self.counts.values(), default=0)

    def bound_above(self, milliseconds: float) -> float:
        """The least bound that is not below this time: the finest line to count requests at."""
        return min((b for b in self.counts if b >= milliseconds), default=math.inf)

    def slower_than(self, bound: float) -> int:
        """Requests that took longer than one of the bounds."""
        return self.total - self.counts.get(bound, self.total)

    def quantile(self, share: float) -> float | None:
        """Milliseconds within which a share of the requests was answered, None without requests.

        Linear between the bounds of a bucket, as PromQL's histogram_quantile.
        """
        if not self.total:
            return None
        rank, below, lower = share * self.total, 0, 0.0
        for bound, count in sorted(self.counts.items()):
            if count >= rank:
                # Nobody knows how far beyond the last bound they lie; the bound is the least.
                if bound == math.inf:
                    return lower
                inside = count - below
                return lower + (bound - lower) * ((rank - below) / inside if inside else 1.0)
            below, lower = count, bound
        return lower

    def plus(self, other: "Latency") -> "Latency":
        """Requests of both."""
        bounds = self.counts.keys() | other.counts.keys()
        return Latency({b: self.counts.get(b, 0) + other.counts.get(b, 0) for b in bounds})

    def minus(self, other: "Latency") -> "Latency":
        """Requests that an earlier count had not yet."""
        return Latency({b: count - other.counts.get(b, 0) for b, count in self.counts.items()})
