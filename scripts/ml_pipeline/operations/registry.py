"""MLflow's registry from git, and whether it says what git says.

`reconcile` does the same after each change of the branch. Nothing here is read to decide what
serves.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path

from ml_pipeline.adapters.mlflow.registry import Registry
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.environments.interface import Runtime
from ml_pipeline.operations.runtime import open_runtime
from ml_pipeline.operations.workspace import open_workspace
from ml_pipeline.rules.automation.mirror import Mirror, mirror

RETRY_SECONDS = 30.0


def rebuild(repo: Path, environment: str, *, remote: str | None = None) -> list[str]:
    """Bring the registry to what the branch says; what was written, one line each."""
    server, wanted = _sides(repo, environment, remote)
    return server.bring(wanted)


def verify(repo: Path, environment: str, *, remote: str | None = None) -> list[str]:
    """Where the registry says something else than the branch, one line each."""
    server, wanted = _sides(repo, environment, remote)
    return server.differences(wanted)


def _sides(repo: Path, environment: str, remote: str | None) -> tuple[Registry, Mirror]:
    """MLflow's registry, and what it shall say."""
    workspace = open_workspace(repo, remote, environment=environment)
    facts = workspace.environment(environment)
    address = open_runtime(repo, environment, facts.runtime).mlflow(facts)
    return Registry(address.uri, address.login), mirror(workspace.snapshot, environment)


@dataclass
class Follower:
    """Keeps the registry at what the branch says, from one pass of `reconcile` to the next."""

    environment: str
    runtime: Runtime
    _revision: str = ""
    _server: Registry | None = None
    _not_before: float = 0.0
    _trouble: str = field(default="", repr=False)

    def follow(self, revision: str, snapshot: Snapshot) -> list[str]:
        """Bring MLflow to a revision; what was written, one line each.

        An MLflow that does not answer is asked again later, and named once: it keeps nothing else
        from being done.
        """
        if revision == self._revision or time.monotonic() < self._not_before:
            return []
        try:
            lines = self._at(snapshot).bring(mirror(snapshot, self.environment))
        except PipelineError as error:
            # A pass comes twice a second, and a silent server takes seconds to be silent.
            self._not_before = time.monotonic() + RETRY_SECONDS
            return self._once(str(error).splitlines()[0])
        # Only now: a revision that was written in part is written again.
        self._revision, self._trouble = revision, ""
        return [f"MLflow: {line}" for line in lines]

    def _at(self, snapshot: Snapshot) -> Registry:
        """The registry at its present address."""
        address = self.runtime.mlflow(snapshot.environments[self.environment])
        # The embedded MLflow has another port after each start.
        if self._server is None or self._server.uri != address.uri:
            self._server = Registry(address.uri, address.login)
        return self._server

    def _once(self, line: str) -> list[str]:
        if line == self._trouble:
            return []
        self._trouble = line
        return [line]
