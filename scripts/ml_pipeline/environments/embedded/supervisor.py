"""`python -m ml_pipeline.environments.embedded.supervisor STATE ENVIRONMENT`: the embedded environment itself, one loop.

It sees a new revision of the branch, builds what has changed, and carries Jobs, predictors and services towards it.
Everything it knows is in files; after a kill at any moment the next start continues from them.
"""

import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

from ml_pipeline.adapters.git.facts import read_facts
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.adapters.trouble import told
from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.fields import cpu_cores, memory_bytes
from ml_pipeline.environments.embedded.builds import Builds
from ml_pipeline.environments.embedded.images import Images
from ml_pipeline.environments.embedded.jobs import Jobs
from ml_pipeline.environments.embedded.loop import run_until_stopped
from ml_pipeline.environments.embedded.pods import Pods
from ml_pipeline.environments.embedded.privacy import UMASK
from ml_pipeline.environments.embedded.router import Router
from ml_pipeline.environments.embedded.services import Service, Services, mlflow_command, program
from ml_pipeline.environments.embedded.serving import Serving
from ml_pipeline.environments.embedded.state import State, free_port

log = logging.getLogger("ml_pipeline.embedded")


class Supervisor:
    """One environment on this machine."""

    def __init__(self, state: State, name: str) -> None:
        self.state = state
        self.repository = Repository(state.origin)
        self.repository.branch = self.repository.head_branch()
        environment = read_environment(self.repository, name)
        known = state.read("endpoints") or {}
        ports = {service: free_port(known.get(service)) for service in ("mlflow", "endpoint")}
        state.write("endpoints", ports)
        self.pods = Pods(
            state,
            Images(state, self.repository),
            {environment.tracking.uri: f"http://127.0.0.1:{ports['mlflow']}"},
        )
        cores = sum(cpu_cores(pool.cpu) * pool.nodes for pool in environment.pools)
        memory = sum(memory_bytes(pool.memory) * pool.nodes for pool in environment.pools)
        self.jobs = Jobs(state, self.pods, cores, memory)
        router = Router(state, ports["endpoint"])
        self.serving = Serving(state, self.pods, router)
        self.builds = Builds(state, self.repository, name)
        reconcile = [
            sys.executable,
            "-m",
            "ml_pipeline.cli",
            "reconcile",
            "--repo",
            str(state.automation),
            "--env",
            name,
            "--state",
            str(state.root),
        ]
        services = [
            Service("mlflow", mlflow_command(state, ports["mlflow"])),
            Service("envoy", router.command(program("envoy")), router.prepare),
            Service("reconcile", reconcile),
        ]
        self.services = Services(state, self.pods, services)
        state.forget_the_interrupted()
        self.revision = ""

    def run(self) -> None:
        """Until SIGTERM. What the machine refuses passes, such as a full disk: what runs goes on, and so does this loop."""
        run_until_stopped(self._tick, self.pods, OSError, told)

    def _tick(self) -> None:
        self._follow()
        self.services.tick()
        self.jobs.tick()
        self.serving.tick()

    def _follow(self) -> None:
        """Apply a new revision whole; one that does not build is reported and the last good one stays."""
        revision = self._branch_head()
        if revision == self.revision:
            return
        start = time.time()
        try:
            objects = self.builds.objects(revision)
        except PipelineError as error:
            self._report(revision, start, f"does not build: {error}")
        else:
            self.jobs.apply([thing for thing in objects if thing["kind"] == "Job"])
            self.serving.apply([thing for thing in objects if thing["kind"] == "SeldonDeployment"])
            self._report(revision, start, "")
        self.revision = revision

    def _branch_head(self) -> str:
        """The head of the branch, read from git's files: cheap enough for every tick."""
        loose = self.state.origin / "refs" / "heads" / self.repository.branch
        try:
            return loose.read_text().strip()
        except FileNotFoundError:
            return self.repository.revision(self.repository.branch)

    def _report(self, revision: str, start: float, error: str) -> None:
        applied: dict[str, Any] = self.state.read("revision") or {}
        seconds = round(time.time() - start, 3)
        if error:
            log.error("%s %s", revision[:10], error)
        else:
            applied = {"applied": revision}
            log.info("applied %s in %.2f s", revision[:10], seconds)
        self.state.write(
            "revision",
            {**applied, "seen": revision, "at": start, "seconds": seconds, "error": error},
        )


def read_environment(repository: Repository, name: str) -> Environment:
    """The facts of the environment at the head of the branch.

    Raises:
        PipelineError: it is not there, or not valid, or not embedded.
    """
    environment = read_facts(repository, name, repository.branch)
    if environment.runtime != "embedded":
        raise PipelineError(
            f"environments/{name}/environment.yaml: runtime is not embedded; `up` starts embedded environments, Flux reconciles the others"
        )
    return environment


def main(root: str, name: str) -> None:
    """Run until told to stop; leave the pid where `down` finds it."""
    os.umask(UMASK)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s")
    state = State(Path(root))
    try:
        supervisor = Supervisor(state, name)
    except PipelineError as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(told(error))
    state.write("supervisor", {"pid": os.getpid(), "environment": name})
    supervisor.run()
    state.drop("supervisor")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
