"""`ml-pipeline history`."""

from typing import TYPE_CHECKING, Any

from ml_pipeline.commands import console
from ml_pipeline.commands.command import Command, Options
from ml_pipeline.commands.options import past_arguments

if TYPE_CHECKING:
    from ml_pipeline.operations.provenance import Change

_TO_THE_SECOND = 19  # characters of a time


def run(options: Options) -> int:
    from ml_pipeline.operations.provenance import history

    changes = history(options.repo, options.model, environment=options.env)
    rows = [("WHEN", "COMMIT", "BY", "SERVES", "WHY"), *map(_row, changes)]
    console.answer(list(map(_data, changes)), console.table(rows), options.output)
    return console.OK


def _row(change: "Change") -> tuple[str, ...]:
    commit = change.commit
    shares = ", ".join(f"{weight} % {run}" for run, weight in change.weights.items())
    serves = change.problem or shares or "nothing"
    return commit.when[:_TO_THE_SECOND], commit.sha[:10], commit.author, serves, commit.subject


def _data(change: "Change") -> dict[str, Any]:
    """A change for programs."""
    return {
        "when": change.commit.when,
        "commit": change.commit.sha,
        "author": change.commit.author,
        "subject": change.commit.subject,
        "serves": [{"run": run, "weight": weight} for run, weight in change.weights.items()],
        "problem": change.problem,
    }


COMMAND = Command(
    "history",
    "show what served when, and who changed it",
    past_arguments,
    run,
    example="history digits",
    prints="one line a change, newest first",
)
