"""`ml-pipeline image`: the content digest that stands for an image in the embedded environment."""

from pathlib import Path

from ml_pipeline.adapters.git.code import digest_at
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.commands import console


def image(repo: Path, name: str, *, revision: str = "HEAD") -> int:
    """Print the digest of `trainer`, `serving` or `scripts` at a revision."""
    repository = Repository(repo)
    console.result(digest_at(repository, repository.revision(revision), name))
    return console.OK
