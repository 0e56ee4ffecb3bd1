"""Live metrics of predictors in Prometheus' text format, as Envoy's admin interface gives them."""

import re
import urllib.error
import urllib.request
from dataclasses import dataclass, field

from ml_pipeline.documents.faults import UnavailableError

_LINE = re.compile(r"envoy_cluster_upstream_rq_(xx|completed|time_bucket)\{([^}]*)\} (\d+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass
class Counters:
    """Counts of one predictor since its proxy started. `buckets` maps an upper bound in milliseconds to requests within it."""

    requests: int = 0
    errors: int = 0
    buckets: dict[float, int] = field(default_factory=dict)

    def since(self, start: "Counters") -> "Counters":
        """What has been counted after `start`; everything, if the proxy has started anew since."""
        if self.requests < start.requests:
            return self
        buckets = {
            bound: count - start.buckets.get(bound, 0) for bound, count in self.buckets.items()
        }
        return Counters(self.requests - start.requests, self.errors - start.errors, buckets)

    def quantile(self, share: float) -> float | None:
        """Latency in milliseconds within which a share of the requests was answered, None without requests.

        Linear between the bounds of a bucket, as PromQL's histogram_quantile.
        """
        bounds = sorted(self.buckets)
        if not bounds or not (total := self.buckets[bounds[-1]]):
            return None
        rank, below, lower = share * total, 0, 0.0
        for bound in bounds:
            if self.buckets[bound] >= rank:
                if bound == float("inf"):
                    return lower
                inside = self.buckets[bound] - below
                return lower + (bound - lower) * ((rank - below) / inside if inside else 1.0)
            below, lower = self.buckets[bound], bound
        return lower


def scrape(admin: str) -> dict[str, Counters]:
    """Counters of every cluster of the Envoy whose admin interface is at `http://host:port`.

    Raises:
        UnavailableError: it does not answer.
    """
    try:
        with urllib.request.urlopen(
            f"{admin}/stats/prometheus?filter=upstream_rq_(xx|completed|time)", timeout=2
        ) as answer:
            return parse(answer.read().decode())
    except (OSError, urllib.error.URLError) as error:
        raise UnavailableError(
            f"Envoy at {admin} does not answer ({error}); see `ml-pipeline logs envoy`"
        ) from error


def parse(text: str) -> dict[str, Counters]:
    """Counters by cluster from a Prometheus page."""
    found: dict[str, Counters] = {}
    for metric, raw_labels, value in _LINE.findall(text):
        labels = dict(_LABEL.findall(raw_labels))
        counters = found.setdefault(labels.get("envoy_cluster_name", ""), Counters())
        if metric == "completed":
            counters.requests = int(value)
        elif metric == "xx" and labels.get("envoy_response_code_class") == "5":
            counters.errors = int(value)
        elif metric == "time_bucket":
            counters.buckets[float(labels["le"].replace("+Inf", "inf"))] = int(value)
    return found
