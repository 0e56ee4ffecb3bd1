"""Where a command works: the branch that counts for an environment, read and written through git alone."""

from dataclasses import dataclass
from pathlib import Path

from ml_pipeline.adapters.facts import interpreted
from ml_pipeline.adapters.git import Repository
from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.faults import InvalidDocumentsError, PipelineError
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.checks import check_all
from ml_pipeline.verbs.up import REMOTE

ORIGIN = "origin"
EMBEDDED = "local"


@dataclass(frozen=True)
class Workspace:
    """A revision of the branch and its documents."""

    repository: Repository
    revision: str
    snapshot: Snapshot

    def environment(self, name: str) -> Environment:
        """The facts of an environment.

        Raises:
            PipelineError: it does not exist.
        """
        found = self.snapshot.environments.get(name)
        if (
            found is None
            and (self.repository.path / f"environments/{name}/environment.yaml").exists()
        ):
            branch = f"{self.repository.remote}/{self.repository.branch}"
            raise PipelineError(
                f"environment {name!r} is in this checkout and not on {branch}; commit and push it"
            )
        if found is None:
            raise PipelineError(
                f"environment {name!r} does not exist; known are {', '.join(sorted(self.snapshot.environments))}"
            )
        return found


def runtime_of(repo: Path, environment: str) -> str:
    """What applies an environment's manifests, as the checkout says; a folder without any is that of an embedded one.

    Raises:
        PipelineError: the checkout does not know the environment, or it is not valid.
    """
    if not (repo / "environments").is_dir() and environment == EMBEDDED:
        return "embedded"
    path = f"environments/{environment}/environment.yaml"
    if not (repo / path).exists():
        known = (
            ", ".join(
                sorted(found.parent.name for found in repo.glob("environments/*/environment.yaml"))
            )
            or "none"
        )
        raise PipelineError(
            f"environment {environment!r} is not in this checkout; known are {known}"
        )
    return interpreted(path, (repo / path).read_bytes()).runtime


def open_workspace(
    repo: Path, remote: str | None = None, *, environment: str | None = None
) -> Workspace:
    """The newest revision of the branch that counts: of the embedded environment's git server where there is one, unless
    the work is for an environment that Flux reconciles from `origin`.

    Raises:
        PipelineError: the clone has no such remote.
        InvalidDocumentsError: a document on the branch breaks a rule.
    """
    workspace = open_branch(repo, remote, environment=environment)
    check_all(workspace.snapshot)
    return workspace


def open_branch(
    repo: Path, remote: str | None = None, *, environment: str | None = None
) -> Workspace:
    """The same, whatever is wrong with the documents on the branch.

    Raises:
        PipelineError: the clone has no such remote.
    """
    repository = Repository(repo)
    remotes = repository.call("remote").split()
    repository.remote = remote or (REMOTE if REMOTE in remotes else ORIGIN)
    if repository.remote not in remotes:
        raise PipelineError(
            f"this clone has no remote {repository.remote!r}; start the embedded environment with `ml-pipeline up`, or add the remote"
        )
    revision = repository.fetch()
    workspace = Workspace(repository, revision, Snapshot(repository.read(revision)))
    is_elsewhere = remote is None and repository.remote != ORIGIN and ORIGIN in remotes
    if is_elsewhere and _is_on_a_cluster(workspace.snapshot, environment):
        return open_branch(repo, ORIGIN)
    return workspace


def _is_on_a_cluster(snapshot: Snapshot, environment: str | None) -> bool:
    try:
        facts = snapshot.environments.get(environment or "")
    except InvalidDocumentsError:
        return False
    return facts is not None and facts.runtime != "embedded"
