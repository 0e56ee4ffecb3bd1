"""`ml-pipeline why`."""

from ml_pipeline.commands.command import Command, Options
from ml_pipeline.commands.options import past_arguments


def run(options: Options) -> int:
    from ml_pipeline.operations.provenance import why

    return why(options.repo, options.model, environment=options.env, output=options.output)


COMMAND = Command(
    "why",
    "show where a served model came from",
    past_arguments,
    run,
    example="why digits",
    prints="endpoint, promotion, model, run, receipt, experiment, data and image of each predictor",
)
