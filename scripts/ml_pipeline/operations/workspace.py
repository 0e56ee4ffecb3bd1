"""Where a command works: the branch that counts, read and written through git alone."""

from dataclasses import dataclass
from pathlib import Path

from ml_pipeline.adapters.git.facts import interpreted, on_branch
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.faults import InvalidDocumentsError, PipelineError
from ml_pipeline.documents.receipts import Run
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.environments.embedded.git_server import open_git_server
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.environments.embedded.store import lacking_for, lacking_model
from ml_pipeline.layout import ENVIRONMENTS, STATE, environment_path, promotion_path
from ml_pipeline.operations.bases import REMOTE
from ml_pipeline.rules.proposals.rollback import Promoted, promoted
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
        facts = self.snapshot.environments.get(name)
        if facts is not None:
            return facts
        if (self.repository.path / environment_path(name)).exists():
            branch = f"{self.repository.remote}/{self.repository.branch}"
            raise PipelineError(
                f"environment {name!r} is in this checkout and not on {branch}; commit and push it"
            )
        known = ", ".join(sorted(self.snapshot.environments))
        raise PipelineError(f"environment {name!r} does not exist; known are {known}")

    def lacks(self, needed: Run | Experiment) -> str:
        """What receipts name of a run, or for an experiment, and this machine does not have.

        One line that says so, with the repair; empty where nothing is lacking.
        """
        state = State(self.repository.path / STATE)
        if not state.origin.exists():
            return ""
        if isinstance(needed, Run):
            return lacking_model(state, self.snapshot, needed)
        return lacking_for(state, self.snapshot, needed)


def runtime_of(repo: Path, environment: str) -> str:
    """What applies an environment's manifests, as the checkout says.

    A folder without any environment is that of an embedded one.

    Raises:
        PipelineError: the checkout does not know the environment, or it is not valid.
    """
    if not (repo / ENVIRONMENTS).is_dir() and environment == EMBEDDED:
        return "embedded"
    path = environment_path(environment)
    if not (repo / path).exists():
        known = ", ".join(sorted(facts.parent.name for facts in _environment_files(repo)))
        raise PipelineError(
            f"environment {environment!r} is not in this checkout; known are {known or 'none'}"
        )
    return interpreted(path, (repo / path).read_bytes()).runtime


def open_workspace(
    repo: Path, remote: str | None = None, *, environment: str | None = None
) -> Workspace:
    """The newest revision of the branch that counts.

    That is the one of the embedded environment's git server where there is one, unless the work is
    for an environment that Flux reconciles: that follows `origin`, and there the branch that its
    environment.yaml names.

    Raises:
        PipelineError: the clone has no such remote, or that has no such branch.
        InvalidDocumentsError: a document on the branch breaks a rule.
    """
    workspace = open_branch(repo, remote, environment=environment)
    try:
        refuse_faults(workspace.snapshot)
    except InvalidDocumentsError as error:
        repository = workspace.repository
        raise on_branch(error, repository.remote, repository.branch) from error
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
    # Where the embedded environment was up once, its git server is the one that it follows.
    repository.remote = remote or (REMOTE if REMOTE in remotes else ORIGIN)
    if repository.remote not in remotes:
        raise PipelineError(
            f"this clone has no remote {repository.remote!r}; "
            "start the embedded environment with `ml-pipeline up`, or add the remote"
        )
    origin = State(repository.path / STATE).origin
    if repository.remote == REMOTE and origin.exists():
        open_git_server(origin)  # or git's own words for what it has lost would be all there is
    repository.branch = _branch(repository, environment)
    workspace = _fetched(repository)
    facts = _facts(workspace.snapshot, environment)
    if facts is None or facts.runtime == "embedded":
        return workspace
    # Flux does not follow the git server of this machine: what is committed there nobody applies.
    if remote is None and repository.remote != ORIGIN and ORIGIN in remotes:
        return open_branch(repo, ORIGIN, environment=environment)
    if repository.remote != REMOTE and facts.branch != repository.branch:
        # The checkout is older than the commit that has changed it.
        repository.branch = facts.branch
        return _fetched(repository)
    return workspace


def promotions_of(
    repository: Repository, revision: str, environment: str, model: str
) -> list[Promoted]:
    """All that the branch has said until a revision about what serves a model, oldest first."""
    path = promotion_path(environment, model)
    versions = repository.versions(path, revision)
    return [promoted(environment, path, v.sha, v.subject, v.body) for v in versions]


def _fetched(repository: Repository) -> Workspace:
    revision = repository.fetch()
    return Workspace(repository, revision, Snapshot(repository.read(revision)))


def _facts(snapshot: Snapshot, environment: str | None) -> Environment | None:
    """Facts of an environment by the branch, None where it has none that can be read."""
    try:
        return snapshot.environments.get(environment or "")
    except InvalidDocumentsError:
        return None  # whoever needs the facts is told of the fault when it asks for them


def _branch(repository: Repository, environment: str | None) -> str:
    """The branch that counts: on this machine's git server the only one there.

    Elsewhere it is that of the environment, by the checkout, or of all environments; where they
    differ, the remote's default.
    """
    if repository.remote == REMOTE:
        return repository.default_branch()
    branches = set()
    for path in _environment_files(repository.path):
        if environment not in (None, path.parent.name):
            continue
        try:
            branches.add(interpreted(str(path), path.read_bytes()).branch)
        except InvalidDocumentsError:
            continue  # a file in the middle of an edit; what counts is on the branch
    return branches.pop() if len(branches) == 1 else repository.default_branch()


def _environment_files(repo: Path) -> list[Path]:
    return list(repo.glob(environment_path("*")))
