"""git as a person types it, through GitPython: in English whatever the locale, answers as text."""

from pathlib import Path

from ml_pipeline.documents.faults import PipelineError


class GitError(PipelineError):
    """git refused; carries what it said, and the cause in it."""

    def __init__(self, command: str, stderr: str, cause: str = "") -> None:
        self.stderr, self.cause = stderr, cause or _cause(stderr)
        super().__init__(f"git {command}: {self.cause}")


def call(path: Path, *arguments: str, env: dict[str, str] | None = None) -> str:
    """Output of a git command in a clone, without the final newline.

    Raises:
        GitError: git refused.
    """
    import git  # 0.1 s; commands that only read do not pay for it

    name, *rest = arguments
    command = getattr(git.Git(path), name.replace("-", "_"))
    try:
        return str(command(*rest, env=env))
    except git.GitCommandError as error:
        said = str(error.stderr).removeprefix("\n  stderr: '")  # GitPython's words around it
        raise GitError(name, said) from error


def _cause(stderr: str) -> str:
    """The line of what git said that tells most."""
    if "shallow update not allowed" in stderr:
        return "a shallow clone lacks the history; fetch it with `git fetch --unshallow`"
    lines = [line.strip(" '") for line in stderr.splitlines()]
    spoken = [line for line in lines if line]
    named = (line for line in spoken if line.startswith(("fatal:", "error:")))
    telling = next(named, spoken[-1] if spoken else "no message")
    return telling.removeprefix("fatal: ").removeprefix("error: ")
