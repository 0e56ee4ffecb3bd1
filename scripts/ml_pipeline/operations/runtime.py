"""Which environment an operation looks at: the one place where embedded and not is told apart."""

from dataclasses import dataclass
from pathlib import Path

from ml_pipeline.adapters.git.facts import read_facts
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.adapters.kubernetes import ANY, Cluster
from ml_pipeline.documents.environment import Environment
from ml_pipeline.environments.embedded.observe import find_state, served
from ml_pipeline.environments.embedded.runtime import EmbeddedRuntime
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.environments.interface import Runtime
from ml_pipeline.environments.kubernetes.runtime import KubernetesRuntime
from ml_pipeline.environments.records import Traffic


@dataclass(frozen=True)
class Folders:
    """Where an environment keeps things on this machine."""

    state: Path | None = None
    """Of an embedded environment; None is that of the checkout."""
    bridge: Path | None = None
    """Of what serves and measures the models of a cluster; None where nobody measures them here."""


USUAL = Folders()


def open_runtime(
    repo: Path,
    environment: str,
    kind: str,
    *,
    cluster: Cluster = ANY,
    folders: Folders = USUAL,
) -> Runtime:
    """What applies an environment's manifests, by the `runtime` that its facts name.

    Raises:
        PipelineError: the embedded environment of this checkout was never started.
    """
    if kind == "embedded":
        state = State(folders.state) if folders.state else find_state(repo)
        return EmbeddedRuntime(state, environment)

    def facts() -> Environment:
        return read_facts(Repository(repo), environment)

    def traffic() -> Traffic:
        return served(State(folders.bridge)) if folders.bridge else {}

    return KubernetesRuntime(cluster, environment, traffic, facts)
