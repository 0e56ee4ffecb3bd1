"""Code by content digest: what stands for an image digest where there are no images."""

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.adapters.git.revisions import blob_id
from ml_pipeline.documents.faults import PipelineError

LOCK = "requirements.lock"
IMAGES = ("trainer", "serving", "scripts")
PACKAGE = "scripts/ml_pipeline"


def digest_at(repository: Repository, revision: str, image: str) -> str:
    """Digest of an image's folder and the lock file at a revision.

    Of their sorted paths, modes and git blob ids: whoever changes this gives every image another
    digest, and so every run another identity.
    """
    listed = repository.listing(revision, [image, LOCK])
    if not any(path.startswith(f"{image}/") for path in listed):
        raise PipelineError(
            f"{revision[:10]} has no folder {image}/; name one of {', '.join(IMAGES)}"
        )
    digest = hashlib.sha256()
    for path, (blob, mode) in sorted(listed.items()):
        digest.update(f"{mode} {blob} {path}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def digest_of_tree(repository: Repository, image: str) -> str | None:
    """What `digest_at` would say of the working tree as it is; None where it lacks the folder."""
    if not (repository.path / image).is_dir():
        return None
    there = [path for path in (image, LOCK) if (repository.path / path).exists()]
    # An index of its own: what a person has staged stays as it is.
    with tempfile.TemporaryDirectory() as folder:
        env = {"GIT_INDEX_FILE": os.path.join(folder, "index")}
        repository.call("add", "--", *there, env=env)
        return digest_at(repository, repository.call("write-tree", env=env), image)


def revision_of(repository: Repository, branch: str, image: str, digest: str) -> str:
    """Newest revision whose code has this digest.

    Raises:
        PipelineError: no commit of the branch has it.
    """
    for revision in _revisions(repository, branch, image):
        if digest_at(repository, revision, image) == digest:
            return revision
    short = digest[:19]
    raise PipelineError(
        f"no commit holds {image}/ with the digest {short}...; fetch the whole history, "
        f"or pin what `ml-pipeline image {image}` prints"
    )


def package_at(repository: Repository, revision: str) -> dict[str, str]:
    """Blob ids of this package's modules at a revision, by path below the package.

    Empty where the package is not in the repository.
    """
    modules: dict[str, str] = {}
    for path, entry in repository.listing(revision, [PACKAGE]).items():
        if path.endswith(".py"):
            modules[path.removeprefix(f"{PACKAGE}/")] = entry.blob
    return modules


def package_here(like: Mapping[str, str]) -> dict[str, str]:
    """Blob ids of the modules that this process runs; `like` are ids as long as they are to be."""
    folder, one = Path(__file__).parents[2], next(iter(like.values()), "")
    modules: dict[str, str] = {}
    for path in folder.rglob("*.py"):
        modules[path.relative_to(folder).as_posix()] = blob_id(path.read_bytes(), one)
    return modules


def extract(repository: Repository, revision: str, image: str, folder: Path) -> None:
    """Write the code of a revision into a folder, in one step."""
    if folder.exists():
        return
    building = folder.with_name(f".{folder.name}.building")
    for path, content in repository.fetched(revision, [image, LOCK]).items():
        target = building / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    building.rename(folder)


def _revisions(repository: Repository, branch: str, image: str) -> Iterator[str]:
    yield branch
    for commit in repository.log([image, LOCK], branch):
        yield commit.sha
