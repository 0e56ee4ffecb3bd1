"""The facts of one environment, read straight from git without any other document."""

from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.faults import InvalidDocumentsError, PipelineError
from ml_pipeline.documents.reader import read


def read_facts(repository: Repository, name: str, revision: str = "HEAD") -> Environment:
    """The facts of an environment at a revision.

    Raises:
        PipelineError: it does not exist there.
        InvalidDocumentsError: its document is not valid.
    """
    path = f"environments/{name}/environment.yaml"
    raw = repository.read(revision, [path])
    if not raw:
        known = {p.split("/")[1] for p in repository.listing(revision, ["environments"])}
        raise PipelineError(
            f"environment {name!r} does not exist at {revision}; known are {', '.join(sorted(known)) or 'none'}"
        )
    return interpreted(path, raw[path])


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
