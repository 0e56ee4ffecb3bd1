"""`ml-pipeline rollback`: the promotion before the newest one of a model serves again, committed and pushed for you."""

from dataclasses import dataclass
from pathlib import Path

from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.commands import console
from ml_pipeline.documents.changes import Changes, applied
from ml_pipeline.documents.faults import InvalidDocumentsError, PipelineError
from ml_pipeline.documents.snapshot import Files, Snapshot
from ml_pipeline.layout import promotion_path
from ml_pipeline.operations.workspace import ORIGIN, Workspace, open_branch
from ml_pipeline.rules.identity.served import serving_of
from ml_pipeline.rules.proposals.rollback import (
    NOTHING,
    Promoted,
    back_to,
    before,
    promoted,
    standing,
)


@dataclass(frozen=True)
class _Way:
    """One way back: from what stands on the branch to what stood before it, and the commit that leads there."""

    left: Promoted
    target: Promoted
    changes: Changes
    message: str
    said: str


def rollback(
    repo: Path,
    model: str,
    *,
    environment: str = "local",
    remote: str | None = None,
    dry_run: bool = False,
) -> int:
    """Take the newest promotion of a model out and bring back the one before, whatever else is on the branch."""
    workspace = open_branch(repo, remote, environment=environment)
    if remote is None:
        _refuse_to_guess(workspace, environment)
    repository, revision = workspace.repository, workspace.revision
    first = _way(repository, revision, environment, model)
    where = f"{model} in {environment}"
    if dry_run:
        console.result(f"{where}: would take out {_named(first.left)}; {first.said}")
        for path in sorted({*first.changes.write, *first.changes.delete}):
            console.talk(f"  {path}")
        return console.OK

    def plan(newest: str) -> tuple[Changes, str]:
        way = _way(repository, newest, environment, model)
        if way.left.name != first.left.name:
            # Another promotion, or another rollback, was faster: going on would take out what nobody asked to take out.
            raise PipelineError(
                f"{where}: {_named(way.left)} was committed meanwhile; look, and run the command again"
            )
        return way.changes, way.message

    committed = repository.propose(plan) or revision
    console.result(
        f"{where}: took out {_named(first.left)}; {first.said}; committed as {committed[:10]}"
    )
    return console.OK


def _refuse_to_guess(workspace: Workspace, environment: str) -> None:
    """Without its facts nobody knows which branch an environment follows, where a clone has more than one."""
    try:
        workspace.environment(environment)
    except InvalidDocumentsError as error:
        if workspace.repository.remote != ORIGIN:
            text = f"{error.faults[0]}; or name the branch that serves with --remote"
            raise PipelineError(text) from error


def _way(repository: Repository, revision: str, environment: str, model: str) -> _Way:
    path = promotion_path(environment, model)
    history = [
        promoted(environment, path, content.sha, content.subject, content.body)
        for content in repository.versions(path, revision)
    ]
    stack = standing(history)
    left, target = stack[-1], before(stack)
    if target is None:
        raise PipelineError(
            f"{model!r} is not promoted in {environment}; `ml-pipeline status` shows what serves"
        )
    if target is NOTHING:
        _refuse_shallow(repository)
    files = repository.read(revision)
    then = repository.fetched(target.sha, [f"environments/{environment}"]) if target.sha else {}
    changes = back_to(files, environment, model, target, then)
    said = _served(applied(files, changes), environment, model)
    message = _message(repository, revision, history[-1], changes)
    if not message:
        back = f"{target.run}, as {target.sha[:10]} promoted it" if target.run else "nothing"
        message = (
            f"Roll back {model} in {environment} to {target.run or 'nothing'}\n\n"
            f"{_named(left)} is taken out; before it stood {back}.\n"
        )
    return _Way(left, target, changes, message, said)


def _refuse_shallow(repository: Repository) -> None:
    """Without its whole history a clone does not know whether something was promoted before."""
    if repository.call("rev-parse", "--is-shallow-repository") == "true":
        raise PipelineError(
            "this clone is shallow and does not know the promotion before; run `git fetch --unshallow`"
        )


def _message(repository: Repository, revision: str, newest: Promoted, changes: Changes) -> str:
    """The message of git's own revert of the newest commit, where the changes are exactly that; else empty."""
    sha = newest.sha
    if not repository.call("rev-list", "--parents", "-1", sha).partition(" ")[2]:
        return ""
    names = repository.call("diff", "--name-only", "--no-renames", f"{sha}^", sha).splitlines()
    touched = set(names)
    now, then = repository.read(revision, names), repository.read(f"{sha}^", names)
    result = applied(now, changes)
    if not {*changes.write, *changes.delete} <= touched:
        return ""
    if any(result.get(path) != then.get(path) for path in touched):
        return ""
    return f'Revert "{newest.subject}"\n\nThis reverts commit {sha}.\n'


def _served(files: Files, environment: str, model: str) -> str:
    """What serves once the commit is there."""
    try:
        serving = serving_of(Snapshot(files), environment, model)
    except InvalidDocumentsError as error:
        return f"what serves then is not known: {error.faults[0]}"
    if serving is None:
        return "nothing serves it any more"
    weights = ", ".join(f"{weight} % {run}" for run, weight in serving.weights.items())
    return f"serves {weights}"


def _named(said: Promoted) -> str:
    return f"{said.run or 'a promotion that cannot be read'} ({said.sha[:10]}, {said.subject})"
