"""The facts of one environment, read straight from git without any other document."""

from dataclasses import replace

from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.faults import InvalidDocumentsError, PipelineError
from ml_pipeline.documents.reader import read
from ml_pipeline.layout import ENVIRONMENTS, environment_path, owner_of


def read_facts(repository: Repository, name: str, revision: str = "HEAD") -> Environment:
    """The facts of an environment at a revision.

    Raises:
        PipelineError: it does not exist there.
        InvalidDocumentsError: its document is not valid.
    """
    path = environment_path(name)
    raw = repository.read(revision, [path])
    if not raw:
        known = {owner_of(path) for path in repository.listing(revision, [ENVIRONMENTS])}
        names = ", ".join(sorted(known)) or "none"
        raise PipelineError(f"environment {name!r} does not exist at {revision}; known are {names}")
    return interpreted(path, raw[path])


def on_branch(error: InvalidDocumentsError, remote: str, branch: str) -> InvalidDocumentsError:
    """The same faults, said to be those of a branch: this checkout may well have none."""
    faults = []
    for fault in error.faults:
        path = f"{remote}/{branch}:{fault.path}"  # as `git show` takes it
        text = f"{fault.text}; mend it on top of `git pull --rebase {remote} {branch}`"
        faults.append(replace(fault, path=path, text=text))
    return InvalidDocumentsError(faults)


def interpreted(path: str, raw: bytes) -> Environment:
    """The bytes of an environment.yaml as its facts.

    Raises:
        InvalidDocumentsError: with every fault.
    """
    result = read(path, raw)
    if isinstance(result, list):
        raise InvalidDocumentsError(result)
    assert isinstance(result[0], Environment)
    return result[0]
