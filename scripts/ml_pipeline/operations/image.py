"""The content digest that stands for an image in the embedded environment."""

from pathlib import Path

from ml_pipeline.adapters.git.code import digest_at
from ml_pipeline.adapters.git.repository import Repository


def image_digest(repo: Path, name: str, *, revision: str = "HEAD") -> str:
    """The digest of `trainer`, `serving` or `scripts` at a revision.

    Raises:
        PipelineError: there is no such revision, or no such folder in it.
    """
    repository = Repository(repo)
    return digest_at(repository, repository.revision(revision), name)
