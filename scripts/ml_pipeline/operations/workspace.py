"""Where a command works: the branch that counts for an environment, read and written through git alone."""

from dataclasses import dataclass
from pathlib import Path

from ml_pipeline.adapters.git.facts import interpreted
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.faults import InvalidDocumentsError, PipelineError
from ml_pipeline.documents.receipts import Run
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.environments.embedded.store import lacking_for, lacking_model
from ml_pipeline.operations.up import REMOTE
from ml_pipeline.rules.review.faults import refuse_faults

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

    def lacks(self, needed: Run | Experiment) -> str:
        """Where receipts say that a run, or what an experiment needs, is there, but its bytes are not on this machine: one line
        that says so, with the repair. Empty where nothing is lacking."""
        state = State(self.repository.path / ".ml-pipeline")
        if not state.origin.exists():
            return ""
        if isinstance(needed, Run):
            return lacking_model(state, self.snapshot, needed)
        return lacking_for(state, self.snapshot, needed)


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
    the work is for an environment that Flux reconciles from `origin`, from the branch that its environment.yaml names.

    Raises:
        PipelineError: the clone has no such remote, or that has no such branch.
        InvalidDocumentsError: a document on the branch breaks a rule.
    """
    workspace = open_branch(repo, remote, environment=environment)
    refuse_faults(workspace.snapshot)
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
    repository.branch = _branch(repository, environment)
    workspace = _fetched(repository)
    facts = _facts(workspace.snapshot, environment)
    if facts is None or facts.runtime == "embedded":
        return workspace
    if remote is None and repository.remote != ORIGIN and ORIGIN in remotes:
        return open_branch(repo, ORIGIN, environment=environment)
    if repository.remote != REMOTE and facts.branch != repository.branch:
        # The checkout is older than the commit that has changed it.
        repository.branch = facts.branch
        return _fetched(repository)
    return workspace


def _fetched(repository: Repository) -> Workspace:
    revision = repository.fetch()
    return Workspace(repository, revision, Snapshot(repository.read(revision)))


def _facts(snapshot: Snapshot, environment: str | None) -> Environment | None:
    """Facts of an environment by the branch, None where it has none that can be read."""
    try:
        return snapshot.environments.get(environment or "")
    except InvalidDocumentsError:
        return None


def _branch(repository: Repository, environment: str | None) -> str:
    """The branch that counts: on this machine's git server the only one there; else that of the environment, by the checkout,
    or of all environments; where they differ, the remote's default."""
    if repository.remote == REMOTE:
        return repository.default_branch()
    branches = set()
    for path in repository.path.glob("environments/*/environment.yaml"):
        if environment in (None, path.parent.name):
            try:
                branches.add(interpreted(str(path), path.read_bytes()).branch)
            except InvalidDocumentsError:
                continue  # a file in the middle of an edit; what counts is on the branch
    return branches.pop() if len(branches) == 1 else repository.default_branch()
