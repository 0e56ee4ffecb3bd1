"""The promotion before the newest one of a model serves again, committed and pushed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.documents.changes import Changes, applied
from ml_pipeline.documents.faults import InvalidDocumentsError, PipelineError
from ml_pipeline.documents.snapshot import Files, Snapshot
from ml_pipeline.layout import environment_folder
from ml_pipeline.operations.workspace import ORIGIN, Workspace, open_branch, promotions_of
from ml_pipeline.rules.identity.served import serving_of
from ml_pipeline.rules.proposals.rollback import NOTHING, Promoted, back_to, before, standing


@dataclass(frozen=True)
class Outlook:
    """What will serve, as percent by run, none where nothing will.

    `unknown` says why nobody knows: the fault in what would tell.
    """

    weights: Mapping[str, int] = field(default_factory=dict)
    unknown: str = ""


@dataclass(frozen=True)
class Rollback:
    """What was taken out, what serves then, and the commit; its revision is None in a dry run."""

    model: str
    environment: str
    left: Promoted
    outlook: Outlook
    changes: Changes
    revision: str | None = None


@dataclass(frozen=True)
class _Way:
    """One way back, from what stands on the branch to what stood before it, and its commit."""

    left: Promoted
    changes: Changes
    message: str
    outlook: Outlook


def rollback(
    repo: Path,
    model: str,
    *,
    environment: str = "local",
    remote: str | None = None,
    dry_run: bool = False,
) -> Rollback:
    """Take the newest promotion of a model out and bring back the one before.

    Whatever else is on the branch, readable or not, stands in no way.

    Raises:
        PipelineError: nothing is promoted, or nobody can say what was before.
    """
    workspace = open_branch(repo, remote, environment=environment)
    # All documents may be broken, and this has to work: only the branch must be certain.
    if remote is None:
        _refuse_to_guess(workspace, environment)
    repository, revision = workspace.repository, workspace.revision
    first = _way(repository, revision, environment, model)
    if dry_run:
        return Rollback(model, environment, first.left, first.outlook, first.changes)

    def plan(newest: str) -> tuple[Changes, str]:
        way = _way(repository, newest, environment, model)
        if way.left.name != first.left.name:
            # Another promotion, or another rollback, was faster: going on would take out what
            # nobody asked to take out.
            raise PipelineError(
                f"{model} in {environment}: {way.left.title} was committed meanwhile; "
                "look, and run the command again"
            )
        return way.changes, way.message

    # Nothing to commit is what another way to the same contents leaves: it is done already.
    committed = repository.propose(plan) or revision
    return Rollback(model, environment, first.left, first.outlook, first.changes, committed)


def _refuse_to_guess(workspace: Workspace, environment: str) -> None:
    """Without its facts nobody knows which of several branches an environment follows."""
    try:
        workspace.environment(environment)
    except InvalidDocumentsError as error:
        if workspace.repository.remote != ORIGIN:
            text = f"{error.faults[0]}; or name the branch that serves with --remote"
            raise PipelineError(text) from error


def _way(repository: Repository, revision: str, environment: str, model: str) -> _Way:
    history = promotions_of(repository, revision, environment, model)
    stack = standing(history)
    left, target = stack[-1], before(stack)
    if target is None:
        raise PipelineError(
            f"{model!r} is not promoted in {environment}; `ml-pipeline status` shows what serves"
        )
    if target is NOTHING:  # or so it seems, where the history is cut off
        _refuse_shallow(repository)
    files = repository.read(revision)
    # What was rendered when that promotion stood, for the case that it cannot be rendered now.
    then: Files = {}
    if target.sha:
        then = repository.fetched(target.sha, [environment_folder(environment)])
    changes = back_to(files, environment, model, target, then)
    message = _message_of_git(repository, revision, history[-1], changes)
    if not message:
        message = (
            f"Roll back {model} in {environment} to {target.run or 'nothing'}\n\n"
            f"{left.title} is taken out; before it stood {_before(target)}.\n"
        )
    outlook = _outlook(applied(files, changes), environment, model)
    return _Way(left, changes, message, outlook)


def _refuse_shallow(repository: Repository) -> None:
    """Without its whole history a clone does not know whether something was promoted before."""
    if repository.call("rev-parse", "--is-shallow-repository") == "true":
        raise PipelineError(
            "this clone is shallow and does not know the promotion before; "
            "run `git fetch --unshallow`"
        )


def _before(target: Promoted) -> str:
    return f"{target.run}, as {target.sha[:10]} promoted it" if target.run else "nothing"


def _message_of_git(
    repository: Repository, revision: str, newest: Promoted, changes: Changes
) -> str:
    """The message of git's own revert of the newest commit, where the changes are exactly that.

    Empty where they are not: a commit that says it reverts another must do so.
    """
    sha = newest.sha
    has_parent = repository.call("rev-list", "--parents", "-1", sha).partition(" ")[2]
    if not has_parent:  # the first commit of all has nothing before it to go back to
        return ""
    # Without renames: a file that moved is one that is gone and one that is new, as in `changes`.
    names = repository.call("diff", "--name-only", "--no-renames", f"{sha}^", sha).splitlines()
    touched = set(names)
    now, then = repository.read(revision, names), repository.read(f"{sha}^", names)
    result = applied(now, changes)
    if not {*changes.write, *changes.delete} <= touched:
        return ""
    if any(result.get(path) != then.get(path) for path in touched):
        return ""
    return f'Revert "{newest.subject}"\n\nThis reverts commit {sha}.\n'


def _outlook(files: Files, environment: str, model: str) -> Outlook:
    """What serves once the commit is there."""
    try:
        serving = serving_of(Snapshot(files), environment, model)
    except InvalidDocumentsError as error:
        return Outlook(unknown=str(error.faults[0]))
    return Outlook(serving.weights if serving else {})
