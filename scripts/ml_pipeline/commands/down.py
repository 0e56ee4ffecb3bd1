"""`ml-pipeline down`."""

from ml_pipeline.commands import console
from ml_pipeline.commands.command import Command, Options
from ml_pipeline.commands.options import no_arguments


def run(options: Options) -> int:
    from ml_pipeline.operations.up import down

    down(options.repo, talk=console.talk)
    console.result("down")
    return console.OK


COMMAND = Command(
    "down",
    "stop the embedded environment",
    no_arguments,
    run,
    example="down",
    prints="down; data, models, logs and git stay for the next `up`",
)
