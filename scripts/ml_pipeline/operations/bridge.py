"""Serve the models of a cluster that has no Seldon operator on this machine."""

from pathlib import Path

from ml_pipeline.adapters.git.facts import read_facts
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.adapters.kubernetes import ANY, Cluster
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.environments.embedded.bridge import Bridge
from ml_pipeline.environments.embedded.privacy import make_private, private_files
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.layout import STATE


def bridge(
    repo: Path, environment: str, *, state: Path | None = None, cluster: Cluster = ANY
) -> None:
    """Follow the SeldonDeployments of an environment until SIGTERM.

    `state` is where models and measurements are kept. What happens goes to the log.

    Raises:
        PipelineError: the environment has no cluster.
    """
    facts = read_facts(Repository(repo), environment)
    if facts.runtime == "embedded":
        raise PipelineError(
            f"{environment!r} has no cluster to follow; start it with `ml-pipeline up`"
        )
    where = State(state or bridge_folder(repo, environment))
    with private_files():
        make_private(where.root)
        # What the last one has said of servers holds no more: they ended with it.
        where.forget_the_interrupted()
        repository = Repository(repo, branch=facts.branch)
        Bridge(where, repository, facts.namespaces.serving, cluster).run()


def bridge_folder(repo: Path, environment: str) -> Path:
    """Where the bridge of an environment keeps models and measurements, by default."""
    return repo.resolve() / STATE / f"bridge-{environment}"
