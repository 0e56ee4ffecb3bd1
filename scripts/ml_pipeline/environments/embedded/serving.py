"""SeldonDeployments of the embedded environment: a server for each predictor, weights in Envoy.

As the Seldon operator does, weights change once every predictor of the new spec is ready; what is
no longer wanted leaves the routes first and stops afterwards. While a predictor is down or not
ready, the others carry its traffic.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from ml_pipeline.environments.embedded import records
from ml_pipeline.environments.embedded.endpoint import Route
from ml_pipeline.environments.embedded.pods import Pods
from ml_pipeline.environments.embedded.router import Readiness, Router, Upstream
from ml_pipeline.environments.embedded.servers import Keeper, Server
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.environments.embedded.windows import DeclaredStep, Windows
from ml_pipeline.rules.identity.hashes import digest_of
from ml_pipeline.rules.kustomize.objects import Object
from ml_pipeline.rules.render.serving import RUN, TARGET
from ml_pipeline.rules.rollout.evidence import PredictorStatus, ServingStatus

DRAIN_SECONDS = 1.0
Weights = dict[str, int]  # percent, or shares of what is left of them, by the name of the server


@dataclass
class Serving:
    """Brings processes and routes to what the SeldonDeployments say."""

    state: State
    pods: Pods
    router: Router
    desired: dict[str, Object] = field(default_factory=dict)
    servers: dict[str, Server] = field(default_factory=dict)
    routes: dict[str, Weights] = field(default_factory=dict)
    keeper: Keeper = field(init=False)
    windows: Windows = field(init=False)
    _applied: bool = False
    _readiness: dict[str, Readiness] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make who keeps the servers running, and who counts what they answer."""
        self.keeper = Keeper(self.state, self.pods, self.router.timeout_seconds)
        self.windows = Windows(self.router.admin)

    def apply(self, deployments: Sequence[Object]) -> None:
        """Take over a new desired state."""
        self._applied = True
        self.desired = {each["metadata"]["name"]: each for each in deployments}
        for model, deployment in self.desired.items():
            for predictor in deployment["spec"]["predictors"]:
                name = cluster(model, predictor)
                if name not in self.servers:
                    run = predictor["annotations"][RUN]
                    self.servers[name] = Server(name, model, run, predictor)

    def tick(self) -> None:
        """Carry processes, routes and status one step forward."""
        # Counted first: what a server has answered until now is its own, also where it is started
        # anew in this tick.
        self.windows.count(self.servers)
        self._look()
        for server in list(self.servers.values()):
            self.keeper.keep(server, self._readiness.get(server.name))
        # Routes after readiness: what has just ended leaves them in the same tick.
        for model in self.desired.keys() | self.routes.keys():
            self._route(model)
        self._publish()
        # A step begins when its weights are routed, which they are now.
        for model in self.desired:
            self._open_window(model)
        # Stopped last: nothing that is still routed.
        self._retire()
        self._tell()

    def _look(self) -> None:
        """What Envoy says of its clusters. While it does not answer, what it last said stays."""
        readiness = self.router.readiness()
        if readiness is not None:
            self._readiness = readiness

    def _wanted(self, model: str) -> Weights:
        """The declared weights, none of a model that is not declared."""
        if model not in self.desired:
            return {}
        predictors = self.desired[model]["spec"]["predictors"]
        return {cluster(model, each): each["traffic"] for each in predictors}

    def _route(self, model: str) -> None:
        """Decide the weights of a model from what is declared and what is ready."""
        current = self.routes.get(model, {})
        ready = {name for name, server in self.servers.items() if server.ready}
        weights = effective_weights(self._wanted(model), current, ready)
        if weights == current:
            return
        if weights:
            self.routes[model] = weights
        else:
            self.routes.pop(model, None)

    def _publish(self) -> None:
        """Tell Envoy its clusters and routes."""
        models = sorted(self.desired.keys() | self.routes.keys())
        routes = [Route(self.prefix(model), model, self._loaded(model)) for model in models]
        # Clusters first: Envoy reads two files, and a route to a cluster that it does not have
        # fails. Every server that runs is one: so it is asked whether it is ready, for `_look`.
        running = [each for each in self.servers.values() if each.started and not each.leaves]
        self.router.set_clusters([Upstream(s.name, s.model, s.port) for s in running])
        # Before the first revision was applied nobody knows which models there are: no 404 yet.
        self.router.set_routes(routes if self._applied else None)

    def _loaded(self, model: str) -> Weights:
        """Weights of those clusters that Envoy has.

        After a start of its own it loads one by one, and a route to one that is not there yet would
        count as a failure of that one.
        """
        weights = self.routes.get(model, {})
        return {name: weight for name, weight in weights.items() if name in self._readiness}

    def _open_window(self, model: str) -> None:
        step = self._step(model)
        if self.routes.get(model) == step.weights:
            self.windows.open(model, step, self.servers)

    def _retire(self) -> None:
        """Stop servers that neither spec nor route has named for a while."""
        used = {name for weights in self.routes.values() for name in weights}
        for model in self.desired:
            used |= self._wanted(model).keys()
        for server in list(self.servers.values()):
            if server.name in used:
                server.unused, server.leaves = time.time(), False
            else:
                self._drain(server)

    def _drain(self, server: Server) -> None:
        """Stop a server in two pauses, so that no request is cut off."""
        idle = time.time() - server.unused
        # First it has left the routes only: requests that were on their way are answered.
        if idle <= DRAIN_SECONDS:
            return
        # Then it leaves Envoy's clusters, and with them its connections, before it is stopped.
        server.ready, server.leaves = False, True
        if idle > 2 * DRAIN_SECONDS and self.pods.stop(server.name):
            self.pods.remove(server.name)
            del self.servers[server.name]

    def _tell(self) -> None:
        """Say what serves each model, and nothing of those that are gone."""
        for model in self.desired:
            records.save_serving(self.state, self._status(model))
        for model in set(self.state.names("serving")) - self.desired.keys():
            self.state.drop(f"serving/{model}")
            self.windows.forget(model)

    def prefix(self, model: str) -> str:
        """Path under which the model is served, as Seldon's Istio route has it."""
        namespace = self.desired[model]["metadata"]["namespace"] if model in self.desired else ""
        return f"/seldon/{namespace}/{model}/"

    def _status(self, model: str) -> ServingStatus:
        step = self._step(model)
        routed = self.routes.get(model, {})
        servers = [self.servers[name] for name in step.weights]
        is_there = routed == step.weights and all(server.ready for server in servers)
        endpoint = f"http://127.0.0.1:{self.router.port}"
        return ServingStatus(
            step.rollout,
            model=model,
            labels=self.desired[model]["metadata"].get("labels", {}),
            state="Available" if is_there else "Creating",
            url=f"{endpoint}{self.prefix(model)}v2/models/{model}/infer",
            predictors=tuple(_predictor(each, step.weights[each.name]) for each in servers),
            routed={self.servers[name].run: weight for name, weight in routed.items()},
            evidence=self.windows.evidence(model, step, self.servers),
        )

    def _step(self, model: str) -> DeclaredStep:
        """What is declared of a model."""
        rollout = self.desired[model]["metadata"]["annotations"][TARGET]
        return DeclaredStep(str(rollout), self._wanted(model))


def _predictor(server: Server, weight: int) -> PredictorStatus:
    return PredictorStatus(server.name, server.run, weight, server.ready, server.message)


def cluster(model: str, predictor: Object) -> str:
    """Name of a predictor's cluster and process.

    Another template is another process, so that it replaces the old one only when it is ready; a
    weight is no part of the template.
    """
    template = {key: value for key, value in predictor.items() if key != "traffic"}
    return f"{model}-{predictor['name']}-{digest_of(template)[:5]}"


def effective_weights(wanted: Weights, current: Weights, ready: set[str]) -> Weights:
    """Weights to route now: the wanted ones once all of their predictors are ready.

    Else the current ones as far as they are up, else those of the wanted that are.
    """
    if wanted.keys() <= ready:
        return wanted
    return _of_the_ready(current, ready) or _of_the_ready(wanted, ready)


def _of_the_ready(weights: Weights, ready: set[str]) -> Weights:
    return {name: weight for name, weight in weights.items() if name in ready}
