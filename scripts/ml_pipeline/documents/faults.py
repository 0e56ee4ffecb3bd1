"""How a mistake is reported: where it stands, the value, the rule, the repair; one line each."""

from collections.abc import Iterable
from dataclasses import dataclass

from ml_pipeline.documents.escape import LONGEST, line


class PipelineError(Exception):
    """Root of every error that a person can cause; its one line names cause and repair."""


@dataclass(frozen=True, order=True)
class Fault:
    """One mistake in one file.

    `line` counts from 1, and is 0 where `path` is no file but what took the arguments; `key` is
    dotted, empty for the file as a whole.
    """

    path: str
    line: int
    key: str
    text: str

    def __str__(self) -> str:
        """One line, the place first."""
        where = f"{self.path}:{self.line}" if self.line else self.path
        text = f"{where}: {self.key}: {self.text}" if self.key else f"{where}: {self.text}"
        return line(text, LONGEST)


class InvalidDocumentsError(PipelineError):
    """Every fault of every file, found in one run."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(set(faults)))
        super().__init__("\n".join(map(str, self.faults)))


class ConflictError(PipelineError):
    """The branch moved while a commit was made; whoever catches it reads again and plans anew."""


class UnavailableError(PipelineError):
    """A service or program that is needed does not answer.

    No data is not good news: callers hold.
    """
