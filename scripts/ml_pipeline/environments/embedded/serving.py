"""SeldonDeployments of the embedded environment: one MLServer for each predictor, weights in Envoy.

As the Seldon operator does, weights change once every predictor of the new spec is ready; what is no longer wanted
leaves the routes first and stops afterwards. While a predictor is down or not ready, the others
carry its traffic.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ml_pipeline.adapters import metrics
from ml_pipeline.adapters.metrics import Counters
from ml_pipeline.documents.faults import PipelineError, UnavailableError
from ml_pipeline.environments.embedded.endpoint import Route
from ml_pipeline.environments.embedded.pods import Pods
from ml_pipeline.environments.embedded.router import Readiness, Router, Upstream
from ml_pipeline.environments.embedded.state import State, free_port
from ml_pipeline.rules.identity.hashes import digest_of
from ml_pipeline.rules.render.serving import RUN, TARGET
from ml_pipeline.rules.rollout.latency import Latency

SCRAPE_SECONDS, DRAIN_SECONDS, LONGEST_BACKOFF_SECONDS = 0.5, 1.0, 60.0
# The first answers of a new process are slow: connections, caches, code that is loaded when first needed. They were
# 30.8 ms where later ones were 11.3, and in a step of 60 requests they were its p99.
WARM_UP_REQUESTS = 20
SLOW_START_SECONDS = 60.0  # from then on `status` says where to look
NOTHING = Counters()
Spec = Mapping[str, Any]


@dataclass
class Server:
    """One predictor's process. `unused` is when it was last in a route or a spec, `since` when it was
    started."""

    name: str
    model: str
    run: str
    spec: Spec
    port: int = 0
    ready: bool = False
    failures: int = 0
    not_before: float = 0.0
    unused: float = 0.0
    message: str = "starts"
    started: bool = False
    since: float = 0.0
    was_ready: bool = False
    leaves: bool = False
    timed: int = 0


@dataclass
class Window:
    """What a step of a rollout has shown since its weights were first routed. It lasts while they are declared: what a
    server did before it was started again, or while another carried its traffic, is not forgotten."""

    rollout: str
    weights: dict[str, int]
    counted: dict[str, Counters] = field(default_factory=dict)


@dataclass
class Serving:
    """Brings processes and routes to what the SeldonDeployments say."""

    state: State
    pods: Pods
    router: Router
    desired: dict[str, Spec] = field(default_factory=dict)
    servers: dict[str, Server] = field(default_factory=dict)
    routes: dict[str, dict[str, int]] = field(default_factory=dict)
    windows: dict[str, Window] = field(default_factory=dict)
    _applied: bool = False
    _seen: dict[str, Readiness] = field(default_factory=dict)
    _counters: dict[str, Counters] | None = None
    _scraped: float = 0.0

    def apply(self, deployments: list[Spec]) -> None:
        """Take over a new desired state."""
        self._applied = True
        self.desired = {d["metadata"]["name"]: d for d in deployments}
        for name, deployment in self.desired.items():
            for predictor in deployment["spec"]["predictors"]:
                key = cluster(name, predictor)
                if key not in self.servers:
                    run = predictor["annotations"][RUN]
                    self.servers[key] = Server(key, name, run, predictor)

    def tick(self) -> None:
        """Carry processes, routes and status one step forward."""
        self._scrape()
        self._look()
        for server in list(self.servers.values()):
            self._keep(server)
        for model in self.desired.keys() | self.routes.keys():
            self._route(model)
        self._publish_routes()
        for model in self.desired:
            self._open_window(model)
        self._retire()
        for model in self.desired:
            self.state.write(f"serving/{model}", self._status(model))
        for model in set(self.state.names("serving")) - self.desired.keys():
            self.state.drop(f"serving/{model}")
            self.windows.pop(model, None)

    def _look(self) -> None:
        """What Envoy says of its clusters. While it does not answer, what it last said stays."""
        seen = self.router.readiness()
        if seen is not None:
            self._seen = seen

    def _keep(self, server: Server) -> None:
        """Start a server that is not there, notice one that has ended, follow one that runs."""
        if not server.started:
            if time.time() >= server.not_before:
                self._start(server)
            return
        status = self.pods.status(server.name)
        if status and status["phase"] == "Ended":
            server.failures += 1
            server.not_before = time.time() + min(
                2.0 ** (server.failures - 1) - 1, LONGEST_BACKOFF_SECONDS
            )
            server.ready = server.started = False
            server.message = self._why(server, status)
        elif not server.leaves:
            self._follow(server)

    def _follow(self, server: Server) -> None:
        """Take over whether its model is ready, once Envoy knows this process."""
        found = self._seen.get(server.name)
        if found is None or found.port != server.port:
            return
        server.ready = found.ready
        if server.ready:
            server.was_ready, server.failures, server.message = True, 0, "ready"
        else:
            server.message = self._why_not_ready(server, found)

    def _why_not_ready(self, server: Server, found: Readiness) -> str:
        log = f"see `ml-pipeline logs {server.name}`"
        if server.was_ready and found.hangs:
            return f"runs, and answers nothing for {self.router.timeout_seconds:g} s; {log}"
        if server.was_ready:
            return f"runs, and its model is no longer ready; {log}"
        seconds = time.time() - server.since
        if seconds > SLOW_START_SECONDS:
            return f"runs for {seconds:.0f} s, and its model was never ready; {log}"
        return "starts"

    def _start(self, server: Server) -> None:
        graph, pod = server.spec["graph"], server.spec["componentSpecs"][0]["spec"]
        server.port = free_port()
        try:
            environ = self._operator_variables(server, graph)
            self.pods.start(server.name, pod, extra=environ, command=["python", "-m", "serving"])
            server.started, server.was_ready, server.timed = True, False, 0
            server.since, server.message = time.time(), "starts"
        except PipelineError as error:
            server.message, server.not_before = (
                str(error),
                time.time() + LONGEST_BACKOFF_SECONDS / 10,
            )

    def _operator_variables(self, server: Server, graph: dict[str, Any]) -> dict[str, str]:
        """What the Seldon operator tells MLServer, with the model where its init container would have put it."""
        scheme, _, path = graph["modelUri"].partition("://")
        claim, _, below = path.partition("/")
        if scheme != "pvc":
            raise PipelineError(
                f"{graph['modelUri']}: the embedded environment serves from pvc:// only; set artifacts.claim in its environment.yaml"
            )
        return {
            "MLSERVER_MODEL_NAME": graph["name"],
            "MLSERVER_MODEL_URI": str(self.state.volume(claim) / below),
            "MLSERVER_MODEL_IMPLEMENTATION": "mlserver_mlflow.MLflowRuntime",
            "MLSERVER_FOLDER": str(self.state.pod(server.name)),
            "MLSERVER_HOST": "127.0.0.1",
            "MLSERVER_HTTP_PORT": str(server.port),
            "MLSERVER_GRPC_PORT": str(free_port()),
            "MLSERVER_METRICS_ENDPOINT": "",  # nobody reads it here: no port is opened
            "MLSERVER_PARALLEL_WORKERS": "0",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }

    def _why(self, server: Server, status: dict[str, Any]) -> str:
        log = self.state.pod(server.name) / "log"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        refused = [line for line in lines if line.startswith(("refused to serve", "OOMKilled"))]
        return (
            refused[-1]
            if refused
            else f"exit code {status['exit_code']}; see `ml-pipeline logs {server.name}`"
        )

    def _wanted(self, model: str) -> dict[str, int]:
        predictors = self.desired[model]["spec"]["predictors"] if model in self.desired else []
        return {cluster(model, p): p["traffic"] for p in predictors}

    def _route(self, model: str) -> None:
        """Decide the weights of a model from what is declared and what is ready."""
        wanted, current = self._wanted(model), self.routes.get(model, {})
        weights = effective_weights(
            wanted, current, {name for name, server in self.servers.items() if server.ready}
        )
        if weights == current:
            return
        if weights:
            self.routes[model] = weights
        else:
            self.routes.pop(model, None)

    def _open_window(self, model: str) -> None:
        """Count anew from the moment in which a step's weights are routed for the first time."""
        if self.routes.get(model) == self._wanted(model) and self._window(model) is None:
            self._scrape(now=True)  # what was counted up to now belongs to the step before
            self.windows[model] = Window(self._rollout(model), self._wanted(model))

    def _window(self, model: str) -> Window | None:
        """The window of the declared step, None before it begins."""
        step, window = (self._rollout(model), self._wanted(model)), self.windows.get(model)
        return window if window and (window.rollout, window.weights) == step else None

    def _publish_routes(self) -> None:
        known = sorted(self.desired.keys() | self.routes.keys())
        routes = [Route(self.prefix(model), model, self._loaded(model)) for model in known]
        self._publish_clusters()
        self.router.set_routes(routes if self._applied else None)

    def _loaded(self, model: str) -> dict[str, int]:
        """Weights of those clusters that Envoy has: after a start of its own it loads one by one, and a
        route to one that is not there yet would count as a failure of that one."""
        weights = self.routes.get(model, {})
        return {name: weight for name, weight in weights.items() if name in self._seen}

    def _publish_clusters(self) -> None:
        """Every server that runs: Envoy asks it whether it is ready, and tells `_look`."""
        running = [s for s in self.servers.values() if s.started and not s.leaves]
        self.router.set_clusters([Upstream(s.name, s.model, s.port) for s in running])

    def _retire(self) -> None:
        """Stop servers that neither spec nor route has named for a while, so that no request is cut off."""
        used = {name for weights in self.routes.values() for name in weights}
        used |= {name for model in self.desired for name in self._wanted(model)}
        for server in list(self.servers.values()):
            if server.name in used:
                server.unused, server.leaves = time.time(), False
            elif time.time() - server.unused > DRAIN_SECONDS:
                # Leaves Envoy's clusters, and with them its connections, before it is stopped.
                server.ready, server.leaves = False, True
                if time.time() - server.unused > 2 * DRAIN_SECONDS and self.pods.stop(server.name):
                    self.pods.remove(server.name)
                    del self.servers[server.name]

    def _scrape(self, *, now: bool = False) -> None:
        if not now and time.time() - self._scraped <= SCRAPE_SECONDS:
            return
        self._scraped = time.time()
        try:
            counters = metrics.scrape(self.router.admin)
        except UnavailableError:
            return
        # What Envoy had counted before this process first looked belongs to no window of it.
        before = counters if self._counters is None else self._counters
        for name, server in self.servers.items():
            self._count(server, counters.get(name, NOTHING).since(before.get(name, NOTHING)))
        self._counters = counters

    def _count(self, server: Server, new: Counters) -> None:
        """Add what is new of a server to the window that it is in."""
        is_warm = server.timed >= WARM_UP_REQUESTS
        server.timed += new.latency.total
        if not is_warm:
            new = replace(new, latency=Latency())
        window = self.windows.get(server.model)
        if window and server.name in window.weights:
            window.counted[server.name] = window.counted.get(server.name, NOTHING).plus(new)

    def prefix(self, model: str) -> str:
        """Path under which the model is served, as Seldon's Istio route has it."""
        namespace = self.desired[model]["metadata"]["namespace"] if model in self.desired else ""
        return f"/seldon/{namespace}/{model}/"

    def _status(self, model: str) -> dict[str, Any]:
        deployment, wanted = self.desired[model], self._wanted(model)
        servers = [self.servers[name] for name in wanted]
        routed = self.routes.get(model, {})
        return {
            "model": model,
            "labels": deployment["metadata"].get("labels", {}),
            "rollout": self._rollout(model),
            "state": "Available"
            if all(s.ready for s in servers) and routed == wanted
            else "Creating",
            "url": f"http://127.0.0.1:{self.router.port}{self.prefix(model)}v2/models/{model}/infer",
            "predictors": [
                {
                    "name": s.name,
                    "run": s.run,
                    "weight": wanted[s.name],
                    "ready": s.ready,
                    "message": s.message,
                }
                for s in servers
            ],
            "routed": {self.servers[name].run: weight for name, weight in routed.items()},
            "evidence": self._evidence(model),
        }

    def _rollout(self, model: str) -> str:
        return str(self.desired[model]["metadata"]["annotations"][TARGET])

    def _evidence(self, model: str) -> list[dict[str, Any]]:
        window = self._window(model)
        if window is None:
            return []
        return [
            evidence_row(self.servers[name].run, weight, window.counted.get(name, NOTHING))
            for name, weight in window.weights.items()
        ]


def evidence_row(run: str, weight: int, counted: Counters) -> dict[str, Any]:
    """What the state says of one predictor, as rules/rollout/decisions.py reads it."""
    return {
        "run": run,
        "weight": weight,
        "requests": counted.answered + counted.failed,
        "errors": counted.failed,
        "refused": counted.refused,
        "latency": {str(bound): count for bound, count in counted.latency.counts.items()},
    }


def cluster(model: str, predictor: Spec) -> str:
    """Name of a predictor's cluster and process: another template is another process, so that it replaces the old one
    only when it is ready; a weight is no part of the template."""
    template = {key: value for key, value in predictor.items() if key != "traffic"}
    return f"{model}-{predictor['name']}-{digest_of(template)[:5]}"


def effective_weights(
    wanted: dict[str, int], current: dict[str, int], ready: set[str]
) -> dict[str, int]:
    """Weights to route now: the wanted ones once all of their predictors are ready, else the current ones as far as
    they are up, else those of the wanted that are."""
    if wanted.keys() <= ready:
        return wanted
    return {n: w for n, w in current.items() if n in ready} or {
        n: w for n, w in wanted.items() if n in ready
    }
