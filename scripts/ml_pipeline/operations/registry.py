"""`ml-pipeline registry rebuild|verify`: MLflow's registry from git, and whether it says what git says.

`reconcile` does the same after each change of the branch. Nothing here is read to decide what serves.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path

from ml_pipeline.adapters.mlflow.registry import Registry
from ml_pipeline.adapters.mlflow.server import NOBODY, Login
from ml_pipeline.commands import console
from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.environments.embedded import observe as local_observe
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.environments.kubernetes import observe as cluster_observe
from ml_pipeline.operations.workspace import open_workspace
from ml_pipeline.rules.automation.mirror import mirror

RETRY_SECONDS = 30.0


def registry(repo: Path, environment: str, action: str, *, remote: str | None = None) -> int:
    """Bring the registry to what the branch says (`rebuild`), or only compare (`verify`)."""
    workspace = open_workspace(repo, remote, environment=environment)
    facts = workspace.environment(environment)
    state = local_observe.find_state(repo) if facts.runtime == "embedded" else None
    server = Registry(tracking_uri(facts, state), login(facts, state))
    wanted = mirror(workspace.snapshot, environment)
    lines = server.bring(wanted) if action == "rebuild" else server.differences(wanted)
    for line in lines:
        console.result(line)
    if not lines:
        console.result("MLflow says what git says")
    return console.FINDINGS if lines and action == "verify" else console.OK


@dataclass
class Follower:
    """Keeps the registry at what the branch says, from one pass of `reconcile` to the next. `state` is that of an embedded
    environment."""

    environment: str
    state: State | None = None
    _revision: str = ""
    _server: Registry | None = None
    _not_before: float = 0.0
    _told: str = field(default="", repr=False)

    def follow(self, revision: str, snapshot: Snapshot) -> list[str]:
        """Bring MLflow to a revision; what was written, one line each. An MLflow that does not answer is asked again
        later, and named once: it keeps nothing else from being done."""
        if revision == self._revision or time.monotonic() < self._not_before:
            return []
        try:
            lines = self._at(snapshot).bring(mirror(snapshot, self.environment))
        except PipelineError as error:
            self._not_before = time.monotonic() + RETRY_SECONDS
            return self._once(str(error).splitlines()[0])
        self._revision, self._told = revision, ""
        return [f"MLflow: {line}" for line in lines]

    def _at(self, snapshot: Snapshot) -> Registry:
        facts = snapshot.environments[self.environment]
        uri = tracking_uri(facts, self.state)
        if self._server is None or self._server.uri != uri:
            self._server = Registry(uri, login(facts, self.state))
        return self._server

    def _once(self, line: str) -> list[str]:
        if line == self._told:
            return []
        self._told = line
        return [line]


def tracking_uri(facts: Environment, state: State | None) -> str:
    """Address of an environment's MLflow from here.

    Raises:
        UnavailableError: the embedded environment is not up.
    """
    if state is None:
        return cluster_observe.tracking_uri(facts)
    return local_observe.tracking_uri(state)


def login(facts: Environment, state: State | None) -> Login:
    """How MLflow is asked; nobody logs in to that of an embedded environment."""
    return cluster_observe.login(facts) if state is None else NOBODY
