"""The git server of the embedded environment: a bare repository with the branch that counts."""

from pathlib import Path
from shlex import quote

from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.documents.faults import PipelineError


def open_git_server(origin: Path) -> Repository:
    """The git server, on the branch that its HEAD names.

    Raises:
        PipelineError: it is no repository any more, or has no such branch; with the way back.
    """
    try:
        repository = _opened(origin)
        repository.branch = repository.head_branch()
        repository.revision(repository.branch)
    except PipelineError as error:
        raise PipelineError(_way_back(origin)) from error
    return repository


def open_automation(automation: Path, branch: str = "main") -> Repository:
    """The repository in which automation commits.

    Raises:
        PipelineError: it is no repository any more; with the repair.
    """
    try:
        repository = _opened(automation)
    except PipelineError as error:
        raise PipelineError(
            f"{automation}: is damaged; `ml-pipeline down`, `rm -rf {quote(str(automation))}` and "
            "`ml-pipeline up` make it anew of what is pushed"
        ) from error
    repository.branch = branch
    return repository


def newest_known(automation: Repository) -> str:
    """What automation has last seen of its branch, a name in its repository; empty for nothing."""
    names = (f"refs/heads/{automation.branch}", automation.tracking)
    # In the order of names, so that what it has fetched comes after what it was cloned with.
    known = automation.call("for-each-ref", "--format=%(refname)", *names).splitlines()
    return "".join(known[-1:])


def _opened(path: Path) -> Repository:
    repository = Repository(path)
    # Git takes a damaged repository for a folder of the clone that it lies in: whoever went on
    # would read and write the clone of a person.
    if not repository.path.samefile(path):
        raise PipelineError(f"{path} is no repository")
    return repository


def _way_back(origin: Path) -> str:
    move = f"mv {quote(str(origin))} {quote(str(origin.with_suffix('.damaged')))}"
    return (
        f"{origin}: is damaged and has lost its branch; `ml-pipeline down`, `{move}` and "
        "`ml-pipeline up` make it anew of what automation has seen of the branch last"
    )
