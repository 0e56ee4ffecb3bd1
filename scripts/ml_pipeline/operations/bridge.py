"""`ml-pipeline bridge`: serve the models of a cluster that has no Seldon operator on this machine, for tests and laptops."""

import logging
import sys
from pathlib import Path

from ml_pipeline.adapters.git.facts import read_facts
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.adapters.kubernetes import ANY, Cluster
from ml_pipeline.commands import console
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.environments.embedded.bridge import Bridge
from ml_pipeline.environments.embedded.privacy import make_private, private_files
from ml_pipeline.environments.embedded.state import State


def bridge(
    repo: Path, environment: str, *, state: Path | None = None, cluster: Cluster = ANY
) -> int:
    """Follow the SeldonDeployments of an environment until SIGTERM; `state` is where models and measurements are kept."""
    facts = read_facts(Repository(repo), environment)
    if facts.runtime == "embedded":
        raise PipelineError(
            f"{environment!r} has no cluster to follow; start it with `ml-pipeline up`"
        )
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s")
    where = State(state or bridge_folder(repo, environment))
    with private_files():
        make_private(where.root)
        where.forget_the_interrupted()
        repository = Repository(repo, branch=facts.branch)
        Bridge(where, repository, facts.namespaces.serving, cluster).run()
    return console.OK


def bridge_folder(repo: Path, environment: str) -> Path:
    """Where the bridge of an environment keeps models and measurements, unless it is told otherwise."""
    return repo.resolve() / ".ml-pipeline" / f"bridge-{environment}"
