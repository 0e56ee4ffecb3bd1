"""What callers saw of each predictor, as Envoy's admin interface gives it.

A page in the text format of Prometheus.

Envoy's statistics of a cluster do not say that: an answer that breaks off in the middle counts as
200, and a caller who gave up is not counted at all. `environments/embedded/router.py` therefore has
Envoy count each request when it is over, as its access log would write it: by the predictor that
was to answer, the status, and flags that say what went wrong on the way. A request that was sent
again after a failure is one request here, with the status that its caller got.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from ml_pipeline.adapters import admin, http
from ml_pipeline.documents.faults import UnavailableError
from ml_pipeline.rules.rollout.latency import Latency

STATS = "answers"  # what the router calls its statistics
_PAGE = rf"/stats/prometheus?filter=^({STATS}\.|http\.ingress\.downstream_rq_completed$)"
# Bounded, so that no text takes longer than its length; Envoy counts with 64 bits, which are 20
# digits at most.
_LINE = re.compile(
    r"^envoy_(\w{1,200})\{([^}\n]{0,2000})\} ([0-9]{1,20})(?![0-9])", re.MULTILINE | re.ASCII
)
_LABEL = re.compile(r'(\w{1,200})="([^"]*)"', re.ASCII)
_RECEIVED = "http_downstream_rq_completed"
_STATUS = re.compile("[0-9]{3}")
# Of the statuses below 500, those that a predictor gives and not the caller: the model is not
# there, or overloaded.
_FAILURES = {404, 429}


@dataclass(frozen=True)
class Counters:
    """Requests of one predictor, by how each ended, and how long the right answers took.

    `failed` had no right answer; `refused` were wrong themselves.
    """

    answered: int = 0
    failed: int = 0
    refused: int = 0
    latency: Latency = field(default_factory=Latency)

    def plus(self, other: Self) -> "Counters":
        """What both have counted."""
        return Counters(
            self.answered + other.answered,
            self.failed + other.failed,
            self.refused + other.refused,
            self.latency.plus(other.latency),
        )

    def since(self, start: Self) -> "Counters":
        """What has been counted after `start`; everything, if the proxy has started anew since."""
        # No counter falls but by a restart.
        if self._fell_below(start):
            return self
        return Counters(
            self.answered - start.answered,
            self.failed - start.failed,
            self.refused - start.refused,
            self.latency.minus(start.latency),
        )

    def _fell_below(self, start: Self) -> bool:
        return (
            self.answered < start.answered
            or self.failed < start.failed
            or self.refused < start.refused
            or any(self.latency.counts.get(b, 0) < n for b, n in start.latency.counts.items())
        )


def scrape(socket: Path) -> dict[str, Counters]:
    """Counters by predictor, of the Envoy whose admin interface listens at this socket.

    Latencies are those of the scrape before: Envoy adds up what its threads have measured when it
    is asked.

    Raises:
        UnavailableError: it does not answer, or its page lacks what is to be counted.
    """
    try:
        text = admin.get(socket, _PAGE, seconds=2)
    except http.NoAnswerError as error:
        raise UnavailableError(
            f"Envoy at {socket} does not answer ({error}); see `ml-pipeline logs envoy`"
        ) from error
    return parse(text)


def parse(text: str) -> dict[str, Counters]:
    """Counters by predictor from such a page.

    Raises:
        UnavailableError: it lacks what is to be counted, which would look like a predictor
            without errors.
    """
    received: int | None = None
    counts: dict[str, dict[str, int]] = {}
    buckets: dict[str, dict[float, int]] = {}
    for name, labels, value in _series(text):
        if name == _RECEIVED:
            received = value
        elif name == f"{STATS}_requests":
            predictor = counts.setdefault(_label(labels, "predictor"), {})
            kind = _kind(_label(labels, "code"), _label(labels, "flags"))
            predictor[kind] = predictor.get(kind, 0) + value
        elif name == f"{STATS}_milliseconds_bucket":
            bound = _bound(_label(labels, "le"))
            buckets.setdefault(_label(labels, "predictor"), {})[bound] = value
    if received is None or (received and not counts):
        missing = "requests by status" if received else _RECEIVED
        raise UnavailableError(f"Envoy's statistics lack {missing}; see `ml-pipeline logs envoy`")
    return {
        predictor: Counters(**kinds, latency=Latency(buckets.get(predictor, {})))
        for predictor, kinds in counts.items()
    }


def _series(text: str) -> Iterator[tuple[str, dict[str, str], int]]:
    for line in _LINE.finditer(text):
        yield line[1], dict(_LABEL.findall(line[2])), int(line[3])


def _bound(text: str) -> float:
    """The upper end of a bucket, in milliseconds."""
    try:
        return float(text.replace("+Inf", "inf"))
    except ValueError as error:
        raise UnavailableError(
            f"Envoy's statistics have the bucket {text[:40]!r}, which is no number; "
            "see `ml-pipeline logs envoy`"
        ) from error


def _label(labels: dict[str, str], name: str) -> str:
    if name not in labels:
        raise UnavailableError(
            f"Envoy's statistics lack the label {name}; see `ml-pipeline logs envoy`"
        )
    return labels[name]


def _kind(code: str, flags: str) -> str:
    """Which counter a request belongs to."""
    # Flags are set where the answer, whatever its status, did not get through: the connection
    # broke, time ran out, the caller was gone.
    status = int(code) if _STATUS.fullmatch(code) else 0
    if flags != "-" or not 200 <= status < 500 or status in _FAILURES:
        return "failed"
    return "answered" if status < 400 else "refused"
