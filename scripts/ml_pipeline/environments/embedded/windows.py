"""What each step of a rollout has shown: Envoy's counters, added up from when it was routed."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ml_pipeline.adapters import metrics
from ml_pipeline.adapters.metrics import Counters
from ml_pipeline.documents.faults import UnavailableError
from ml_pipeline.environments.embedded.servers import Server
from ml_pipeline.rules.rollout.evidence import StepEvidence
from ml_pipeline.rules.rollout.latency import Latency

SCRAPE_SECONDS = 0.5
# The first answers of a new process are slow: connections, caches, code that is loaded when first
# needed. They were 30.8 ms where later ones were 11.3, and in a step of 60 requests were its p99.
WARM_UP_REQUESTS = 20
NOTHING = Counters()


@dataclass(frozen=True)
class DeclaredStep:
    """What a step is: a rollout, and the weights in percent by the name of the server."""

    rollout: str
    weights: Mapping[str, int]


@dataclass
class Window:
    """What a step has shown since its weights were first routed.

    It lasts while they are declared: what a server did before it was started again, or while
    another carried its traffic, is not forgotten.
    """

    step: DeclaredStep
    counted: dict[str, Counters] = field(default_factory=dict)


@dataclass
class Windows:
    """Windows by model. `admin` is the socket of Envoy's admin interface."""

    admin: Path
    _by_model: dict[str, Window] = field(default_factory=dict)
    _counters: dict[str, Counters] | None = None
    _scraped: float = 0.0

    def count(self, servers: Mapping[str, Server], *, now: bool = False) -> None:
        """Add what is new of each server to the window that it is in; `now`, or once in a while."""
        if not now and time.time() - self._scraped <= SCRAPE_SECONDS:
            return
        self._scraped = time.time()
        try:
            counters = metrics.scrape(self.admin)
        except UnavailableError:
            return  # it counts on, or starts anew from 0, which `since` notices
        # What Envoy had counted before this process first looked belongs to no window of it.
        before = counters if self._counters is None else self._counters
        for name, server in servers.items():
            new = counters.get(name, NOTHING).since(before.get(name, NOTHING))
            self._count(server, new)
        self._counters = counters

    def _count(self, server: Server, new: Counters) -> None:
        is_warm = server.timed >= WARM_UP_REQUESTS
        server.timed += new.latency.total
        if not is_warm:
            new = replace(new, latency=Latency())
        window = self._by_model.get(server.model)
        if window and server.name in window.step.weights:
            window.counted[server.name] = window.counted.get(server.name, NOTHING).plus(new)

    def open(self, model: str, step: DeclaredStep, servers: Mapping[str, Server]) -> None:
        """Count anew from the moment in which a step's weights are routed for the first time."""
        if self._window(model, step) is None:
            # What was counted up to now belongs to the step before.
            self.count(servers, now=True)
            self._by_model[model] = Window(step)

    def forget(self, model: str) -> None:
        """A model that is no longer declared has no step."""
        self._by_model.pop(model, None)

    def evidence(
        self, model: str, step: DeclaredStep, servers: Mapping[str, Server]
    ) -> tuple[StepEvidence, ...]:
        """What a step has shown of each predictor, nothing before it begins."""
        window = self._window(model, step)
        if window is None:
            return ()
        rows = []
        for name, weight in window.step.weights.items():
            counted = window.counted.get(name, NOTHING)
            rows.append(step_evidence(servers[name].run, weight, counted))
        return tuple(rows)

    def _window(self, model: str, step: DeclaredStep) -> Window | None:
        """The window of a declared step, None before it begins."""
        window = self._by_model.get(model)
        return window if window and window.step == step else None


def step_evidence(run: str, weight: int, counted: Counters) -> StepEvidence:
    """What was counted of one predictor, as rollouts judge it."""
    return StepEvidence(
        run=run,
        weight=weight,
        requests=counted.answered + counted.failed,
        errors=counted.failed,
        refused=counted.refused,
        latency=counted.latency,
    )
