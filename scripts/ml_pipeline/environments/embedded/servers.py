"""The process of each predictor: started, watched, and started anew when it has ended."""

import time
from dataclasses import dataclass

from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.environments.embedded.pods import Pods
from ml_pipeline.environments.embedded.records import PodStatus
from ml_pipeline.environments.embedded.router import Readiness
from ml_pipeline.environments.embedded.state import State, free_port
from ml_pipeline.rules.kustomize.objects import Object

LONGEST_BACKOFF_SECONDS = 60.0
SLOW_START_SECONDS = 60.0  # from then on `status` says where to look
COMMAND = ("python", "-m", "serving")
_SAID = ("refused to serve", "OOMKilled")  # how lines begin that say why a server has ended


@dataclass
class Server:
    """One predictor's process. Times are in seconds since the epoch.

    `since` is when it was started, `unused` when it was last in a route or a spec. `leaves` is said
    of one that Envoy is no longer told of. `timed` are its answers since its start that Envoy has
    timed.
    """

    name: str
    model: str
    run: str
    predictor: Object
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


@dataclass(frozen=True)
class Keeper:
    """Keeps servers running. `timeout_seconds` is how long a request may take."""

    state: State
    pods: Pods
    timeout_seconds: float

    def keep(self, server: Server, readiness: Readiness | None) -> None:
        """Start a server that is not there, notice one that has ended, follow one that runs.

        `readiness` is what Envoy says of it, None where it does not know it.
        """
        if not server.started:
            if time.time() >= server.not_before:
                self._start(server)
            return
        status = self.pods.status(server.name)
        if status and not status.is_running:
            self._give_up(server, status)
        elif not server.leaves:
            self._follow(server, readiness)

    def _start(self, server: Server) -> None:
        # A port of its own for each start: what the last process still answers is not taken for it.
        server.port = free_port()
        try:
            environ = self._operator_variables(server)
            pod = server.predictor["componentSpecs"][0]["spec"]
            self.pods.start(server.name, pod, extra=environ, command=COMMAND)
            server.started, server.was_ready, server.timed = True, False, 0
            server.since, server.message = time.time(), "starts"
        except PipelineError as error:
            server.message = str(error)
            server.not_before = time.time() + LONGEST_BACKOFF_SECONDS / 10

    def _give_up(self, server: Server, status: PodStatus) -> None:
        server.failures += 1
        # The first time at once, then after 1, 3, 7 ... seconds.
        wait = min(2.0 ** (server.failures - 1) - 1, LONGEST_BACKOFF_SECONDS)
        server.not_before = time.time() + wait
        server.ready = server.started = False
        server.message = self._why_ended(server, status)

    def _why_ended(self, server: Server, status: PodStatus) -> str:
        log = self.state.pod(server.name) / "log"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        for line in reversed(lines):
            if line.startswith(_SAID):
                return line
        return f"exit code {status.exit_code}; see `ml-pipeline logs {server.name}`"

    def _follow(self, server: Server, readiness: Readiness | None) -> None:
        """Take over whether its model is ready, once Envoy knows this process."""
        # The port tells which: until Envoy has loaded the new one, it speaks of the process before.
        if readiness is None or readiness.port != server.port:
            return
        server.ready = readiness.ready
        if server.ready:
            server.was_ready, server.failures, server.message = True, 0, "ready"
        else:
            server.message = self._why_not_ready(server, readiness)

    def _why_not_ready(self, server: Server, readiness: Readiness) -> str:
        log = f"see `ml-pipeline logs {server.name}`"
        if server.was_ready and readiness.hangs:
            return f"runs, and answers nothing for {self.timeout_seconds:g} s; {log}"
        if server.was_ready:
            return f"runs, and its model is no longer ready; {log}"
        seconds = time.time() - server.since
        if seconds > SLOW_START_SECONDS:
            return f"runs for {seconds:.0f} s, and its model was never ready; {log}"
        return "starts"

    def _operator_variables(self, server: Server) -> dict[str, str]:
        """What the Seldon operator tells MLServer, but with the model where it is here.

        Elsewhere an init container would have put it there.
        """
        graph = server.predictor["graph"]
        scheme, _, path = graph["modelUri"].partition("://")
        claim, _, below = path.partition("/")
        if scheme != "pvc":
            raise PipelineError(
                f"{graph['modelUri']}: the embedded environment serves from pvc:// only; "
                "set artifacts.claim in its environment.yaml"
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
