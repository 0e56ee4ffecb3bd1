"""`python -m ml_pipeline.environments.embedded.supervisor STATE ENVIRONMENT`: one loop.

It is the embedded environment itself: it sees a new revision of the branch, builds what has
changed, and carries Jobs, predictors and services towards it. Everything it knows is in files;
after a kill at any moment the next start continues from them.
"""

import logging
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ml_pipeline.adapters.git.facts import read_facts
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.adapters.trouble import in_words
from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.fields import cpu_cores, memory_bytes
from ml_pipeline.environments.embedded import records
from ml_pipeline.environments.embedded.builds import Builds
from ml_pipeline.environments.embedded.git_server import open_git_server
from ml_pipeline.environments.embedded.images import Images
from ml_pipeline.environments.embedded.jobs import Jobs
from ml_pipeline.environments.embedded.loop import STOP_SECONDS, run_until_stopped
from ml_pipeline.environments.embedded.pods import Pods
from ml_pipeline.environments.embedded.privacy import UMASK
from ml_pipeline.environments.embedded.records import Endpoints, SupervisorRecord
from ml_pipeline.environments.embedded.router import Router
from ml_pipeline.environments.embedded.services import Service, Services, mlflow_command, program
from ml_pipeline.environments.embedded.serving import Serving
from ml_pipeline.environments.embedded.state import State, free_port
from ml_pipeline.environments.records import SeenRevision
from ml_pipeline.layout import environment_path
from ml_pipeline.rules.kustomize.objects import Object

log = logging.getLogger("ml_pipeline.embedded")


class Supervisor:
    """One environment on this machine."""

    def __init__(self, state: State, name: str) -> None:
        self.state = state
        self.repository = open_git_server(state.origin)
        environment = read_environment(self.repository, name)
        ports = _ports(state)
        images = Images(state, self.repository)
        hosts = {environment.tracking.uri: f"http://127.0.0.1:{ports.mlflow}"}
        self.pods = Pods(state, images, hosts)
        cores = sum(cpu_cores(pool.cpu) * pool.nodes for pool in environment.pools)
        memory = sum(memory_bytes(pool.memory) * pool.nodes for pool in environment.pools)
        self.jobs = Jobs(state, self.pods, cores, memory)
        router = Router(state, ports.endpoint)
        self.serving = Serving(state, self.pods, router)
        self.builds = Builds(state, self.repository, name)
        services = [
            Service("mlflow", mlflow_command(state, ports.mlflow)),
            Service("envoy", router.command(program("envoy")), router.prepare),
            Service("reconcile", _reconcile_command(state, name)),
        ]
        self.services = Services(state, self.pods, services)
        # Before it is up: what cannot be read would keep it from ever being ready.
        records.check(state)
        # Last: what an earlier process said of models that serve is no longer so.
        state.forget_the_interrupted()
        self.revision = ""

    def run(self) -> None:
        """Until SIGTERM.

        What the machine refuses passes, such as a full disk, and what is damaged until somebody
        has mended it: what runs goes on, and so does this loop.
        """
        run_until_stopped(self._tick, (OSError, PipelineError), _in_words)
        # First, as the rest takes its time: whoever looks meanwhile must not find it up.
        records.say_stopping(self.state)
        # Nobody ticks any more: what ends now is not started again.
        self.pods.stop_all(STOP_SECONDS)

    def _tick(self) -> None:
        # What is wanted first, so that each part acts upon the newest revision in this very tick.
        self._follow()
        # Services before what needs them: pods log to MLflow, Envoy says which predictor is ready.
        self.services.tick()
        self.jobs.tick()
        self.serving.tick()

    def _follow(self) -> None:
        """Apply a new revision whole; where it does not build the last good one stays."""
        revision = self.repository.branch_head()
        if revision == self.revision:
            return
        start = time.time()
        try:
            objects = self.builds.objects(revision)
        except PipelineError as error:
            self._report(revision, start, f"does not build: {error}")
        else:
            self.jobs.apply(_of_kind("Job", objects))
            self.serving.apply(_of_kind("SeldonDeployment", objects))
            self._report(revision, start, "")
        # Also where it does not build: another try ends the same, and the next commit mends it.
        # Last, so that what the machine refused half-way, such as by a full disk, is tried anew.
        self.revision = revision

    def _report(self, revision: str, start: float, error: str) -> None:
        seconds = round(time.time() - start, 3)
        if error:
            log.error("%s %s", revision[:10], error)
            before = records.revision(self.state)
            applied = before.applied if before else None
        else:
            log.info("applied %s in %.2f s", revision[:10], seconds)
            applied = revision
        record = SeenRevision(applied, revision, start, seconds, error)
        records.save_revision(self.state, record)


def _in_words(error: Exception) -> str:
    return in_words(error) if isinstance(error, OSError) else str(error)


def _ports(state: State) -> Endpoints:
    """The ports of the last time as far as they are free, so that addresses last; kept."""
    known = records.endpoints(state) or Endpoints()
    ports = Endpoints(free_port(known.mlflow), free_port(known.endpoint))
    records.save_endpoints(state, ports)
    return ports


def _reconcile_command(state: State, name: str) -> list[str]:
    command = [sys.executable, "-m", "ml_pipeline.cli", "reconcile"]
    return [*command, "--repo", str(state.automation), "--env", name, "--state", str(state.root)]


def _of_kind(kind: str, objects: Sequence[Object]) -> list[Object]:
    return [manifest for manifest in objects if manifest["kind"] == kind]


def read_environment(repository: Repository, name: str) -> Environment:
    """The facts of the environment at the head of the branch.

    Raises:
        PipelineError: it is not there, or not valid, or not embedded.
    """
    environment = read_facts(repository, name, repository.branch)
    if environment.runtime != "embedded":
        raise PipelineError(
            f"{environment_path(name)}: runtime is not embedded; "
            "`up` starts embedded environments, Flux reconciles the others"
        )
    return environment


def main(root: str, name: str) -> None:
    """Run until told to stop; leave the pid where `down` finds it."""
    os.umask(UMASK)  # before anything is written: all of it is the owner's alone
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s")
    state = State(Path(root))
    try:
        supervisor = Supervisor(state, name)
        # Only now: whoever finds this takes the environment for one that is up.
        records.save_supervisor(state, SupervisorRecord(os.getpid(), name))
    except PipelineError as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(in_words(error))
    supervisor.run()
    records.forget_supervisor(state)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
