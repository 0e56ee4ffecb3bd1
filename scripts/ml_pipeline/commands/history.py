"""`ml-pipeline history`."""

from ml_pipeline.commands.command import Command, Options
from ml_pipeline.commands.options import past_arguments


def run(options: Options) -> int:
    from ml_pipeline.operations.provenance import history

    return history(options.repo, options.model, environment=options.env, output=options.output)


COMMAND = Command(
    "history",
    "show what served when, and who changed it",
    past_arguments,
    run,
    example="history digits",
    prints="one line a change, newest first",
)
