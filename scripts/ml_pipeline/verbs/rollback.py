"""`ml-pipeline rollback`: the `git revert` of the newest promotion of a model, committed and pushed for you."""

import tempfile
from pathlib import Path

from ml_pipeline.adapters.git import Repository
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.verbs import console
from ml_pipeline.verbs.workspace import open_workspace


def rollback(
    repo: Path, model: str, *, environment: str = "local", remote: str | None = None
) -> int:
    """Revert the commit that last changed the promotion of a model."""
    workspace = open_workspace(repo, remote, environment=environment)
    repository = workspace.repository
    path = f"environments/{environment}/promotions/{model}.yaml"
    if path not in workspace.snapshot.files:
        raise PipelineError(
            f"{model!r} is not promoted in {environment}; `ml-pipeline status` shows what serves"
        )
    promoted = repository.log([path], workspace.revision, "-1")[0]
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "tree")
        repository.call("worktree", "add", "--quiet", "--detach", str(tree), workspace.revision)
        try:
            detached = Repository(tree)
            detached.call("revert", "--no-edit", promoted.sha)
            revision = detached.revision("HEAD")
        finally:
            repository.call("worktree", "remove", "--force", str(tree))
    repository.push(revision, workspace.revision)
    console.result(f"reverted {promoted.sha[:10]} ({promoted.subject}) as {revision[:10]}")
    return console.OK
