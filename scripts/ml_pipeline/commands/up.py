"""`ml-pipeline up`."""

from ml_pipeline.commands.command import Arguments, Command, Options
from ml_pipeline.commands.options import env


def add_arguments(arguments: Arguments) -> None:
    env(arguments, "environment with the runtime embedded (default: local)")


def run(options: Options) -> int:
    from ml_pipeline.operations.up import up

    return up(options.repo, options.env)


COMMAND = Command(
    "up",
    "start the embedded environment",
    add_arguments,
    run,
    example="up",
    prints="the addresses of MLflow, the endpoint and the git remote",
)
